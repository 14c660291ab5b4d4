"""The table of `make bench-peers` says plainly which goal is met and which is missed."""

from benchmarks.peers.report import LITELLM, OURS, Medians, goals, page

DIRECT = {"p50_ms": 0.1, "first_trail_ms": 1.0, "first_lead_ms": 1.0, "word_trail_ms": 1.0, "word_lead_ms": 1.0}


def rounds(ours_us: float) -> list[dict[str, dict[str, float]]]:
    shared = {"per_second": 100.0, "p50_ms": 1.0, "memory_mb": 50.0, "tree_mb": 90.0, "cold_start_s": 0.5}
    streams = {"first_trail_ms": 2.0, "first_lead_ms": 2.5, "word_trail_ms": 2.0, "word_lead_ms": 22.5}
    ours = shared | streams | {"cpu_us": ours_us, "recorder_us": 100.0, "burst_us": 10.0, "paced_us": 40.0}
    theirs = shared | DIRECT | {"cpu_us": 8_000.0, "recorder_us": 0.0, "first_trail_ms": 14.0}
    return [{"direct": DIRECT | {"commit_ms": 0.5}, OURS: ours, LITELLM: theirs}]


def said(ours_us: float, what: str) -> str:
    return next(line for line in page(rounds(ours_us)).splitlines() if line.startswith(f"| {what}"))


def test_a_goal_is_met_or_missed() -> None:
    assert said(200.0, "CPU per call against LiteLLM").endswith("| 1/25.0 | 1/40.0 | met |")
    assert said(800.0, "CPU per call against LiteLLM").endswith("| 1/25.0 | 1/10.0 | **missed** |")


def test_what_was_not_measured_is_not_claimed() -> None:
    assert said(200.0, "CPU per call against llm-shield-proxy").endswith("not measured |")


def test_hold_back_stands_apart_from_the_first_token() -> None:
    medians = Medians(rounds(200.0))
    assert medians.held_ms(OURS) == 20.5
    first = next(goal for goal in goals(medians) if goal.what.startswith("first token"))
    assert first.reached == 1.0 / 13.0


def test_the_commit_counts_in_the_latency_of_one_connection() -> None:
    assert said(200.0, "added p50").endswith("| 0.90 ms | 0.90 ms | met |")
