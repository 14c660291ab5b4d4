"""Carries retention out on journal, key store and ledger: says so first, in a record of the audit tree, then does it.

Everything may be done again: what a crash leaves is due at the next run, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from metrics.proof.retention import Group, Outcome, Rules, days_of_class, held_sql, is_audit, is_over
from metrics.record.blank import blank, places
from metrics.record.content import FrameHeader
from metrics.record.gone import ranges, remove_lines
from metrics.record.housekeeping import compress_finished, drop_leftovers
from metrics.record.keystore import DayKey
from metrics.record.ledger import Ledger
from metrics.record.recorder import Recorder
from metrics.record.segments import day_of
from policy.model import FACT_NAMES, Facts

KEPT_FOR_EVER = ("retention.run", "erasure", "gone")  # they explain to a verifier what is not there
_DAY_US = 86_400_000_000
_GROUPS = """SELECT strftime(make_timestamp(e.ts_us), '%Y-%m-%d') AS day, e.kind, e.tenant, e.automation,
        c.call_id IS NOT NULL AS exact, c.team, c.environment, c.data_class
    FROM events e LEFT JOIN calls c ON c.tenant = e.tenant AND e.kind IN ('call.begin', 'call.end')
        AND c.call_id = regexp_replace(e.event_id, '[.][be]$', '')
    WHERE e.ts_us < $before AND NOT list_contains($kept, e.kind) GROUP BY ALL ORDER BY ALL"""
_RECORDS = """SELECT e.seq, e.segment, e.start, HELD AS held FROM events e
    LEFT JOIN calls c ON c.tenant = e.tenant AND e.kind IN ('call.begin', 'call.end')
        AND c.call_id = regexp_replace(e.event_id, '[.][be]$', '')
    WHERE e.ts_us >= $since AND e.ts_us < $since + 86400000000 AND e.tenant = $tenant AND e.kind = $kind
        AND e.automation IS NOT DISTINCT FROM $automation AND c.team IS NOT DISTINCT FROM $team
        AND c.environment IS NOT DISTINCT FROM $environment AND c.data_class IS NOT DISTINCT FROM $data_class
    ORDER BY e.seq"""
_HELD = "SELECT e.event_id FROM events e WHERE e.tenant = $of AND e.ts_us >= $since AND e.ts_us < $until AND HELD"


@dataclass
class Plan:
    """What is due: whole keys, keys of days of which a hold keeps some records, and records by segment."""

    today: str
    tenant: str | None = None  # of this one alone
    whole: list[DayKey] = field(default_factory=list)
    partly: dict[DayKey, list[str]] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    outcome: Outcome = field(default_factory=lambda: Outcome(""))


@dataclass(frozen=True, slots=True)
class Retainer:
    """Works beside a running recorder, of whose ledger it asks what there is."""

    recorder: Recorder

    @property
    def _journal(self) -> Path:
        return self.recorder.data / "journal"

    def plan(self, rules: Rules, tenant: str | None = None) -> Outcome:
        """Count what is due, of one tenant or of all; change nothing. Raises `NotReadyError`, `LedgerError`."""
        return self._plan(rules, day_of(self.recorder.now_us()), tenant).outcome

    def run(self, rules: Rules, actor: str, control: Mapping[str, int] | None = None) -> Outcome:
        """Destroy what is due. `control` is what was deleted elsewhere, for the record.

        Raises `OSError`, `KeyStoreError`, `NotReadyError`, `LedgerError`: the next run goes on.
        """
        now_us = self.recorder.now_us()
        self.recorder.errands.ask(lambda ledger: compress_finished(self._journal, ledger.positions(), now_us))
        plan = self._plan(rules, day_of(now_us))
        plan.outcome.control = dict(control or {})
        plan.outcome.files = drop_leftovers(self.recorder.data, now_us)
        plan.outcome.frames = self._apply_told(plan, actor)
        return plan.outcome

    def _plan(self, rules: Rules, today: str, tenant: str | None = None) -> Plan:
        plan = Plan(today, tenant, outcome=Outcome(today))
        held, values = held_sql(rules.all_holds())
        with self.recorder.door.cursor() as cursor:
            ask = _Asking(cursor)
            self._plan_keys(plan, ask, held, values)
            for group, kind in self._due_groups(plan, ask, rules):
                self._plan_records(plan, ask.rows(_RECORDS.replace("HELD", held), _named(group, kind) | values))
            plan.subjects = self._orphans(ask, rules, today)
        plan.numbers.sort()
        plan.outcome.records, plan.outcome.subjects = len(plan.numbers), len(plan.subjects)
        return plan

    def _plan_keys(self, plan: Plan, ask: _Asking, held: str, values: dict[str, Any]) -> None:
        for key in self.recorder.keystore.day_keys():
            days = days_of_class(key.retention_class) if plan.tenant in (None, key.tenant) else None
            if days is None or not is_over(key.day, days, plan.today):
                continue
            since = _start_us(key.day)
            given = {"of": key.tenant, "since": since, "until": since + _DAY_US} | values
            kept = [row["event_id"] for row in ask.rows(_HELD.replace("HELD", held), given)] if values else []
            plan.outcome.held += len(kept)
            if kept:
                plan.partly[key] = kept
            else:
                plan.whole.append(key)
        plan.outcome.keys = dict(Counter(key.retention_class for key in plan.whole))

    def _due_groups(self, plan: Plan, ask: _Asking, rules: Rules) -> Iterator[tuple[Group, str]]:
        shortest = min((min(rule.metadata, rule.audit) for rule in rules.rules), default=0)
        before = _start_us(plan.today) - shortest * _DAY_US
        for row in ask.rows(_GROUPS, {"before": before, "kept": list(KEPT_FOR_EVER)}):
            facts = Facts(**{name: row[name] for name in FACT_NAMES})
            group = Group(row["day"], row["tenant"], facts, row["exact"], is_audit(row["kind"]))
            if plan.tenant in (None, group.tenant) and rules.due(group, plan.today):
                yield group, row["kind"]

    def _plan_records(self, plan: Plan, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            if row["held"]:
                plan.outcome.held += 1
            elif not (self._journal / f"{row['segment']}.gz").exists():
                plan.outcome.waiting += 1
            else:
                plan.lines.setdefault(row["segment"], []).append(row["start"])
                plan.numbers.append(row["seq"])

    def _orphans(self, ask: _Asking, rules: Rules, today: str) -> list[str]:
        """Return subjects all of whose records have ended: then their entry in the map is to go, too."""
        known = self.recorder.keystore.subjects_before(_start_us(today) - (rules.longest + 1) * _DAY_US)
        if not known:
            return []
        rows = ask.rows("SELECT DISTINCT subject_ref AS ref FROM events WHERE list_contains($refs, subject_ref)",
                        {"refs": sorted(known)})  # fmt: skip
        return sorted(known - {row["ref"] for row in rows})

    def _apply_told(self, plan: Plan, actor: str) -> int:
        """Record what goes, durably, then let it go; return how many frames were overwritten beside kept ones."""
        gone = ranges(plan.numbers)
        keys = [key.key_id for key in (*plan.whole, *plan.partly)]
        kept = {key.key_id: ids for key, ids in plan.partly.items()}
        counts = {name: value for name, value in asdict(plan.outcome).items() if name not in {"frames", "day"}}
        said = {"day": plan.today, "keys": keys, "kept": kept, "gone": gone, "subject_refs": plan.subjects}
        self.recorder.tell("retention.run", actor, "", **said, counts=counts)
        frames = self._apply_content(plan)
        for segment, starts in plan.lines.items():
            remove_lines(self._journal, segment, starts)
        if gone:
            self.recorder.errands.ask(lambda ledger: _forget(ledger, gone))
        return frames

    def _apply_content(self, plan: Plan) -> int:
        keystore, frames = self.recorder.keystore, 0
        for key, ids in plan.partly.items():
            done = self._blank_beside(key, frozenset(ids))
            frames += len(done)
            if done:
                keystore.forget_events(done)
        if plan.subjects:
            keystore.erase(*plan.subjects)
        if plan.whole:
            keystore.destroy([key.key_id for key in plan.whole])
        for day in sorted({day for key in (*plan.whole, *plan.partly) for day in _where(key.day)}):
            self._drop_unreadable(day)
        return frames

    def _blank_beside(self, key: DayKey, kept: frozenset[str]) -> list[str]:
        def ended(head: FrameHeader) -> bool:
            return head.day_key_id == key.key_id and head.event_id not in kept

        return [event_id for day in _where(key.day) for event_id in blank(self._journal, day, ended)]

    def _drop_unreadable(self, day: str) -> None:
        """Remove the content files of a day in which no frame has a key any more."""
        alive = {key.key_id for key in self.recorder.keystore.day_keys()}
        folder = self._journal / "content" / day
        if day >= day_of(self.recorder.now_us()):
            return
        for path in sorted(folder.glob("*.frames")):
            if not any(place.header and place.header.day_key_id in alive for place in places(path.read_bytes())):
                path.unlink()
        if folder.exists() and not any(folder.iterdir()):
            folder.rmdir()


class _Asking:
    """A cursor that answers by column name."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def rows(self, sql: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        done = self._cursor.execute(sql, dict(values))
        names = [column[0] for column in done.description]
        return [dict(zip(names, row, strict=True)) for row in done.fetchall()]


def _forget(ledger: Ledger, gone: Sequence[tuple[int, int]]) -> None:
    ledger.forget(gone)


def _named(group: Group, kind: str) -> dict[str, Any]:
    facts = {name: getattr(group.facts, name) for name in FACT_NAMES}
    return {"since": _start_us(group.day), "kind": kind, **facts, "tenant": group.tenant}


def _where(day: str) -> tuple[str, str]:
    """Return the folders in which frames of a day stand: its own, and the next for calls that ended at midnight."""
    return day, (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def _start_us(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * _DAY_US
