"""A circuit breaker as a value: what it counts, when it opens, whom it lets through. Pure; times in milliseconds."""

from typing import Final, Literal, NamedTuple

from policy.providers import Breaker

Phase = Literal["closed", "open", "half_open"]
_SECOND_MS: Final = 1000


class State(NamedTuple):
    """`row` counts failures in a row; `calls` and `failed` count since `window_ms`; a probe runs since `probe_ms`."""

    phase: Phase = "closed"
    row: int = 0
    calls: int = 0
    failed: int = 0
    window_ms: int = 0
    since_ms: int = 0
    probe_ms: int = 0


class Admission(NamedTuple):
    """Whether a call may go, and if not, the seconds until it is worth asking again."""

    phase: Phase
    passes: bool
    wait_s: float = 0.0


CLOSED: Final = State()


def admit(state: State, rule: Breaker, now_ms: int) -> tuple[Admission, State]:
    """Let a call through, or not; the one that comes first after the cooldown is the probe."""
    if state.phase == "closed":
        return Admission("closed", True), state
    if state.phase == "open":
        left_ms = _left_ms(state.since_ms, rule, now_ms)
    else:
        left_ms = _left_ms(state.probe_ms, rule, now_ms) and _SECOND_MS  # a probe that nobody hears of is given up
    if left_ms:
        return Admission(state.phase, False, left_ms / _SECOND_MS), state
    return Admission("half_open", True), state._replace(phase="half_open", probe_ms=now_ms)


def report(state: State, rule: Breaker, now_ms: int, well: bool | None) -> State:
    """Count how a call went; None: it was left before it could be told."""
    if state.phase == "half_open":
        if well is None:
            return state._replace(probe_ms=0)
        return State(window_ms=now_ms) if well else _opened(state, now_ms)
    if state.phase == "open" or well is None:
        return state
    counted = _counted(state, rule, now_ms, well)
    many = counted.calls >= rule.min_calls and counted.failed >= rule.share * counted.calls
    return _opened(counted, now_ms) if not well and (counted.row >= rule.failures or many) else counted


def shown(state: State, rule: Breaker, now_ms: int) -> Phase:
    """Name the state as the next call will find it."""
    cooled = state.phase == "open" and not _left_ms(state.since_ms, rule, now_ms)
    return "half_open" if cooled else state.phase


def _counted(state: State, rule: Breaker, now_ms: int, well: bool) -> State:
    age_ms = now_ms - state.window_ms
    fresh = not 0 <= age_ms < rule.window_s * _SECOND_MS
    calls, failed = (0, 0) if fresh else (state.calls, state.failed)
    row = 0 if well else state.row + 1
    window_ms = now_ms if fresh else state.window_ms
    return State("closed", row, calls + 1, failed + (not well), window_ms)


def _opened(state: State, now_ms: int) -> State:
    return state._replace(phase="open", since_ms=now_ms, probe_ms=0)


def _left_ms(since_ms: int, rule: Breaker, now_ms: int) -> int:
    """Give the rest of a cooldown; a beginning in the future is from before the machine was started again."""
    age_ms = now_ms - since_ms
    return max(0, int(rule.cooldown_s * _SECOND_MS) - age_ms) if since_ms and age_ms >= 0 else 0
