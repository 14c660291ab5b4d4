"""What the tests of the record share: a data folder, calls to record, a recorder that has caught up."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metrics.record.content import Content
from metrics.record.events import Event
from metrics.record.journal import FileJournal, Options, open_keystore
from metrics.record.recorder import Pace, Recorder

TS = 1_790_000_000_000_000
QUICK = Pace(poll_s=0.005, batch_s=0.005, retry_s=0.01, refresh_rest=0)


def begin(call: str, ts_us: int = TS, tenant: str = "acme") -> Event:
    body = {"call_id": call, "endpoint": "chat.completions", "model_requested": "m"}
    return Event(f"{call}.b", "call.begin", ts_us, tenant, "triage", body=body)


def end(call: str, ts_us: int = TS, tenant: str = "acme", run: str | None = None, **body: Any) -> Event:
    fields = {"call_id": call, "status": 200, "outcome": "ok", "model_requested": "m", "cost_usd": 0.25, **body}
    return Event(f"{call}.e", "call.end", ts_us, tenant, "triage", run=run, body=fields)


def content(subject: str | None = None, **fields: str) -> Content:
    return Content(subject, fields=fields or {"request": "the cleared request"})


@contextmanager
def journal(data: Path, writer: str = "w", options: Options | None = None) -> Iterator[FileJournal]:
    keystore, _ = open_keystore(data, {})
    yield FileJournal(data, writer, keystore, options)
    keystore.close()


def write(data: Path, use: Callable[[FileJournal], Awaitable[None]], options: Options | None = None) -> None:
    """Use a journal as one process would, and close it."""

    async def go(open_journal: FileJournal) -> None:
        await use(open_journal)
        await open_journal.close()

    with journal(data, f"w{time.monotonic_ns()}", options) as open_journal:
        asyncio.run(go(open_journal))


def write_calls(data: Path, *calls: str, tenant: str = "acme", sealed: Content | None = None) -> None:
    async def use(open_journal: FileJournal) -> None:
        for number, call in enumerate(calls):
            open_journal.write(begin(call, TS + number, tenant))
            await open_journal.commit(end(call, TS + number, tenant), sealed)

    write(data, use)


@contextmanager
def recording(data: Path, until: Callable[[Recorder], bool] | None = None) -> Iterator[Recorder]:
    """Run a recorder until it has caught up (or until what is asked for), then lend it."""
    recorder = Recorder(data, {}, pace=QUICK)
    recorder.start()
    try:
        wait_until(lambda: (until or caught_up)(recorder), lambda: str(recorder.status()))
        yield recorder
    finally:
        recorder.close()


def caught_up(recorder: Recorder) -> bool:
    return bool(recorder.status()["caught_up"])


def settled(recorder: Recorder) -> bool:
    """Caught up, and every call has its end."""
    sql = "SELECT count(*) FILTER (kind = 'call.begin') - count(*) FILTER (kind = 'call.end') FROM events"
    return caught_up(recorder) and rows(recorder, sql) == [(0,)]


def rows(recorder: Recorder, sql: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
    with recorder.door.cursor() as cursor:
        return cursor.execute(sql, dict(values or {})).fetchall()


def wait_until(done: Callable[[], bool], about: Callable[[], str] = str, timeout_s: float = 60) -> None:
    limit = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > limit:
            raise AssertionError(f"waited {timeout_s} s in vain: {about()}")
        time.sleep(0.005)


def segments(data: Path, family: str = "meta") -> list[Path]:
    """Return the segments that stand there; one that is being made has a hidden name, and may be renamed meanwhile."""
    return sorted((data / "journal" / family).glob("*/[!.]*"))
