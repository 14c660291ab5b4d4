"""What follows a failed try, for any failure: a pure decision."""

from hypothesis import given
from hypothesis import strategies as st

from automations.flow.automation import Tries
from automations.flow.failures import Failure
from automations.flow.retry import Again, Dead, Tried, after

FAILURES = st.builds(
    Failure,
    st.just("error"),
    st.just("prompt"),
    st.just(""),
    st.booleans(),
    st.none() | st.floats(0, 600),
    st.booleans(),
)
TRIED = st.builds(Tried, st.integers(0, 20), st.integers(0, 200), st.floats(0, 1), st.floats(0, 1e6))
TRIES = st.builds(Tries, st.integers(1, 10), st.floats(0.1, 60), st.floats(60, 600))


@given(FAILURES, TRIED, TRIES)
def test_every_failure_has_an_end_and_no_wait_passes_the_deadline(failure: Failure, tried: Tried, tries: Tries) -> None:
    decided = after(failure, tried, tries)
    if failure.fatal or (failure.counts and tried.attempts >= tries.attempts):
        assert decided == Dead("error")
    elif isinstance(decided, Again):
        assert 0 <= decided.after_s <= tried.left_s
        longest = tries.longest_wait_s if failure.after_s is None else failure.after_s * 1.5
        assert decided.after_s <= longest + 1e-6
    else:
        assert decided == Dead("deadline")


@given(FAILURES, TRIED, TRIES)
def test_nobody_comes_back_before_they_were_asked_to(failure: Failure, tried: Tried, tries: Tries) -> None:
    decided = after(failure, tried, tries)
    if isinstance(decided, Again) and failure.after_s is not None:
        assert decided.after_s >= failure.after_s
