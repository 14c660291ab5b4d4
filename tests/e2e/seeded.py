"""Five weeks of calls that lie in a journal before the product starts; in the last one a prompt gets worse."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from metrics.record.events import Event
from metrics.record.journal import FileJournal
from tests.integration.metrics.support import journal

DAY_US = 86_400_000_000
CALLS = 1500


def last_monday(now: datetime) -> datetime:
    return datetime(now.year, now.month, now.day, tzinfo=UTC) - timedelta(days=now.weekday())


def last_week(now: datetime) -> str:
    return f"{last_monday(now) - timedelta(days=7):%G-W%V}"


def seed(data: Path, now: datetime) -> None:
    """Write the calls of `drafting` and what became of them."""
    data.mkdir(mode=0o700, parents=True)
    with journal(data, "seeded") as writer:
        asyncio.run(_write(writer, int(last_monday(now).timestamp()) * 1_000_000))


async def _write(writer: FileJournal, monday_us: int) -> None:
    chance, first_us = random.Random(5), monday_us - 35 * DAY_US
    for number in range(CALLS):
        at_us = first_us + number * 35 * DAY_US // CALLS
        bad = at_us >= monday_us - 5 * DAY_US
        call = {
            "call_id": f"call_seeded_{number}", "status": 200, "outcome": "ok", "endpoint": "chat.completions",
            "total_ms": float(chance.randrange(400, 900)), "model_requested": "m1", "model_answered": "m1",
            "labels": {"prompt": "draft@4" if bad else "draft@3"}, "cost_usd": 0.01, "policy": "p", "policy_hash": "aa",
        }  # fmt: skip
        about = {"call_id": call["call_id"], "metric": "success", "source": "system"}
        good = chance.random() < (0.4 if bad else 0.95)
        run = f"run-{number}"
        writer.write(Event(f"{number}.e", "call.end", at_us, "default", "drafting", run, "draft", body=call))
        said = Event(f"{number}.o", "outcome", at_us + 60_000_000, "default", "drafting", body={**about, "value": good})
        writer.write(said)
    await writer.close()
