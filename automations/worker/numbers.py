"""The queue in numbers: for `/queue`, for Prometheus."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from automations.queue.store import DEAD, HELD, OPEN, QUEUED


def queue_now(depth: Sequence[dict[str, Any]], outbox: tuple[int, int], now_us: int) -> dict[str, Any]:
    """Return how the queue stands; ages in seconds."""
    by_automation: dict[str, dict[str, int]] = defaultdict(dict)
    for row in depth:
        before = by_automation[row["automation"]].get(row["state"], 0)
        by_automation[row["automation"]][row["state"]] = before + row["runs"]
    waiting = [row["oldest_us"] for row in depth if row["state"] == QUEUED]
    return {
        "open": sum(row["runs"] for row in depth if row["state"] in OPEN),
        "dead": sum(row["runs"] for row in depth if row["state"] == DEAD),
        "held": sum(row["runs"] for row in depth if row["state"] == HELD),
        "oldest_s": (now_us - min(waiting)) / 1e6 if waiting else 0.0,
        "automations": dict(by_automation),
        "events_waiting": outbox[0],
        "events_refused": outbox[1],
    }


def prometheus(numbers: dict[str, Any], busy: int, allowed: int) -> str:
    """Write the numbers in Prometheus' text format."""
    lines = ["# TYPE sluice_queue_runs gauge"]
    for automation, states in sorted(numbers["automations"].items()):
        lines += [f'sluice_queue_runs{{automation="{automation}",state="{state}"}} {n}' for state, n in states.items()]
    gauges = {
        "sluice_queue_oldest_seconds": numbers["oldest_s"],
        "sluice_queue_dead_letters": numbers["dead"],
        "sluice_queue_events_waiting": numbers["events_waiting"],
        "sluice_queue_events_refused": numbers["events_refused"],
        "sluice_worker_busy": busy,
        "sluice_worker_allowed": allowed,
    }
    for name, value in gauges.items():
        lines += [f"# TYPE {name} gauge", f"{name} {value}"]
    return "\n".join(lines) + "\n"
