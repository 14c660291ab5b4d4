"""Takes in events that callers report: authenticated, cleared, sealed and recorded once per id."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson
from starlette.requests import Request

from gateway import errors
from gateway.admission import KeyHolder
from gateway.errors import BadRequest, RecordDown
from gateway.pipeline import Pipeline
from gateway.requests import body_of, key_holder
from gateway.stages.clear import not_searched
from gateway.wire.body import parse
from metrics.record.commits import JournalUnavailableError
from metrics.record.content import Content
from metrics.record.events import Event
from policy.model import Bound, Ungoverned
from redaction.redactor import Redactor
from redaction.types import Blocked, Cleared, RedactionFailed

MAX_ITEMS: Final = 1000
_AT_ONCE: Final = 2
OTHER: Final = "other"  # the kind of an event whose own word for it had to be sealed
_ID: Final = re.compile(r"[A-Za-z0-9_.:\-]{1,128}")
_WORD: Final = re.compile(r"[a-z][a-z0-9_.\-]{0,63}")

Json = dict[str, Any]
Hide = Callable[[str, str], str]


class Reporter(NamedTuple):
    """Who reports, and the policy that governs what they say."""

    holder: KeyHolder
    bound: Bound
    redactor: Redactor


class Report(NamedTuple):
    """One checked item.

    `body` stands in the open part of the record: flags, short numbers and words of closed vocabularies. `words` do so
    too if nothing is found in them, and are sealed otherwise. `texts` is everything else: cleared, then sealed.
    """

    id: str
    kind: str
    ts_us: int | None
    run: str | None
    step: str | None
    subject: str | None
    body: Json
    words: Mapping[str, str]
    texts: Json
    withholds: bool = False  # a text that the policy blocks is left out and told by its kind; else all is refused


Check = Callable[[Reporter, Sequence[tuple[str, Report]]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Intake:
    """Records reports. `hide` turns a tenant and a caller's id into an id that says nothing about either."""

    pipeline: Pipeline
    hide: Hide

    async def take(
        self, request: Request, plural: str, read: Callable[[Json, str], Report], check: Check | None = None
    ) -> Json:
        """Record one report, or the list of them that stands under `plural`; return what the caller is told.

        `check` looks at all of them before any is recorded.
        """
        reporter = self._reporter(key_holder(request, self.pipeline.directory))
        body = parse(await body_of(request, self.pipeline.limits))
        if plural not in body:
            report = read(body, "")
            if check is not None:
                await check(reporter, [("", report)])
            return await self._record(reporter, report)
        items = body[plural]
        if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
            raise BadRequest(f"'{plural}' must be a list of 1 to {MAX_ITEMS} objects.", param=plural)
        reports = [read(_item(item, plural, n), f"{plural}[{n}].") for n, item in enumerate(items)]
        if check is not None:
            await check(reporter, [(f"{plural}[{n}].", report) for n, report in enumerate(reports)])
        return {"object": "list", "data": await self._recorded(reporter, reports)}

    def _reporter(self, holder: KeyHolder) -> Reporter:
        try:
            bound = self.pipeline.snapshot().bind(holder.facts, {})
        except Ungoverned as error:
            raise errors.Ungoverned("No policy governs this API key, so nothing is recorded for it.") from error
        return Reporter(holder, bound, self.pipeline.redactors.of(bound, holder.facts.tenant).redactor)

    async def _recorded(self, reporter: Reporter, reports: Sequence[Report]) -> list[Json]:
        """Record many, a few at a time: a long list would hold up the calls of everybody else in this process."""
        under_way: list[asyncio.Task[Json]] = []
        for each in reports:
            under_way.append(asyncio.create_task(self._record(reporter, each)))
            if len(under_way) % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return await asyncio.gather(*under_way)

    async def _record(self, reporter: Reporter, report: Report) -> Json:
        facts, clean = reporter.holder.facts, reporter.redactor.clear_label
        hidden = self.hide(facts.tenant, f"{report.kind}/{report.id}")
        report = _sorted(report, clean)
        now_us = self.pipeline.desk.clock_us()
        event = Event(
            event_id=f"{report.kind}_{hidden}",
            kind=report.kind,
            ts_us=report.ts_us if report.ts_us is not None else now_us,
            tenant=facts.tenant,
            automation=facts.automation,
            run=clean(report.run) if report.run else None,
            step=clean(report.step) if report.step else None,
            actor=reporter.holder.key_id,
            body={**report.body, "received_us": now_us},
        )
        content, withheld = await _sealed(reporter, report)
        if withheld:
            event = replace(event, body=event.body | {"withheld": " ".join(withheld)})
        try:
            commit = await self.pipeline.desk.journal.commit(
                event, content, on_failure=reporter.bound.policy.failure.log
            )
        except JournalUnavailableError as error:
            raise RecordDown("The report could not be recorded; send it again with the same id.") from error
        told = {"object": report.kind, "id": report.id, "status": "deferred" if commit.deferred else "recorded"}
        return told | ({"withheld": withheld} if withheld else {})


def _sorted(report: Report, clean: Callable[[str], str]) -> Report:
    """Put each word where it belongs: one that says something about a person is a text."""
    words = {name: said if clean(said) == said else None for name, said in report.words.items()}
    texts = report.texts | {name: report.words[name] for name, said in words.items() if said is None}
    kind = words.pop("kind", report.kind) or OTHER
    body = report.body | words
    if words.get("value", "") is None:
        body["value_kind"] = "text"
    return report._replace(kind=kind, body=body, texts=texts)


async def _sealed(reporter: Reporter, report: Report) -> tuple[Content | None, list[str]]:
    """Clear and seal the texts; with them the kinds of what was left out because the policy blocks it."""
    if not report.texts and report.subject is None:
        return None, []
    try:
        cleared, withheld = await _cleared(reporter.redactor, report)
    except Blocked as error:
        raise errors.Refused(f"The policy {reporter.bound.name} does not allow {error.kind} in a report.") from error
    except RedactionFailed as error:
        raise not_searched(error) from error
    index = tuple((value.kind, value.hmac) for value in cleared.vault.hmacs)
    days = reporter.bound.policy.retention.content.days
    return Content(report.subject, f"content:{days}d", {"texts": orjson.dumps(cleared.body)}, index), withheld


async def _cleared(redactor: Redactor, report: Report) -> tuple[Cleared, list[str]]:
    """Clear the texts, where need be without the fields in which something is blocked; give the blocked kinds."""
    kept, kinds = dict(report.texts), set()
    try:
        return await redactor.clear(kept, "events"), []
    except Blocked:
        if not report.withholds:
            raise
    for name, text in report.texts.items():
        try:
            await redactor.clear({name: text}, "events")
        except Blocked as error:
            del kept[name]
            kinds.add(error.kind.lower())
    return await redactor.clear(kept, "events"), sorted(kinds)


def _item(item: object, plural: str, n: int) -> Json:
    if not isinstance(item, dict):
        raise BadRequest(f"'{plural}[{n}]' must be an object.", code="invalid_type", param=f"{plural}[{n}]")
    return item


def known_only(item: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    """Refuse a misspelt field: it would be lost in silence."""
    for name in item:
        if name not in names:
            known = ", ".join(names)
            raise BadRequest(f"Unknown field '{where}{name}'; it may be one of: {known}.", param=f"{where}{name}")


def identifier(item: Mapping[str, Any], name: str, where: str) -> str:
    """Return an id of letters, digits and `_ . : -`."""
    value = item.get(name)
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise BadRequest(
            f"'{where}{name}' must be 1 to 128 letters, digits or _ . : - characters.", param=f"{where}{name}"
        )
    return value


def word(value: object, name: str, where: str) -> str:
    """Return a word of a closed vocabulary."""
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise BadRequest(f"'{where}{name}' must be a word: lower-case letters, digits, _ . -", param=f"{where}{name}")
    return value


def is_word(value: object) -> bool:
    """Tell whether a value may stand in the open part of a record as it is."""
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def short(value: float) -> float:
    """Return a number with six significant digits: more could be somebody's account or telephone number."""
    rounded = float(f"{value:.6g}")
    return value if rounded == value else rounded


def label(item: Mapping[str, Any], name: str, where: str) -> str | None:
    """Return an optional label of at most 512 characters."""
    value = item.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= 512:
        raise BadRequest(f"'{where}{name}' must be a text of 1 to 512 characters.", param=f"{where}{name}")
    return value


def timestamp_us(item: Mapping[str, Any], where: str) -> int | None:
    """Return the optional `ts`, ISO 8601 with a time zone, in UTC microseconds."""
    value = item.get("ts")
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise BadRequest(f"'{where}ts' must be a time such as 2026-01-31T12:00:00Z.", param=f"{where}ts")
    return round(at.timestamp() * 1_000_000)
