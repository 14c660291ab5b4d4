"""What is kept about a person: found by the id that calls carried, or by a value that the redactor found."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.control.database import Database, Note
from gateway.control.errors import Conflict, InvalidInput
from gateway.control.identity.roles import Identity, require
from gateway.control.legal_holds import in_force
from gateway.trust.sealed_texts import SealedTexts, Text
from metrics.client import RecorderClient, RecorderError
from metrics.proof.erasure import Target
from metrics.proof.retention import LegalHold
from metrics.record.keystore import KeyStore
from metrics.record.master import MasterKey
from redaction.placeholders import Minter

_GONE: Final = 410
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom to look for: `subject` as calls labelled them, or a `value` and, if known, its kind."""

    subject: str | None = None
    value: str | None = None
    kind: str | None = None

    def __post_init__(self) -> None:
        if bool(self.subject) == bool(self.value):
            raise InvalidInput("subject", "Give either a subject or a value.")


@dataclass(frozen=True, slots=True)
class Found:
    """What is kept, by random ids: subjects, records that no subject is named in, sealed items.

    `by_kind` counts the records in which a value was found; `others` are subjects in whose records it was found, too.
    """

    target: Target
    by_kind: dict[str, int] = field(default_factory=dict)
    others: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Count what was found."""
        target = self.target
        return {
            "subjects": len(target.subject_refs),
            "records": len(target.event_ids),
            "items": len(target.items),
            "other_subjects": len(self.others),
        }


@dataclass(frozen=True, slots=True)
class Subjects:
    """Searches the stores of one installation; every look leaves an event that says for whom it was not."""

    database: Database
    keystore: KeyStore
    master: MasterKey
    client: Callable[[Identity], RecorderClient]

    def search(self, by: Identity, wanted: Wanted) -> Found:
        """Look for a person.

        Raises:
            NotAllowed: `by` is neither auditor nor admin.
        """
        require(by, by.tenant, "auditor", "admin")
        found = self.find(by.tenant, wanted)
        self._note("subject.searched", by, wanted, found)
        return found

    def find(self, tenant: str, wanted: Wanted) -> Found:
        """Look for a person without a trace: for an erasure, which leaves its own."""
        if wanted.subject:
            ref = self.keystore.find_subject(tenant, wanted.subject)
            return Found(Target(tenant, (ref,) if ref else ()))
        return self._by_value(tenant, wanted.value or "", wanted.kind)

    def erasable(self, by: Identity, wanted: Wanted) -> Target:
        """Look for a person who is to be erased.

        Raises:
            NotAllowed: `by` is no admin.
            Conflict: a legal hold keeps something of it.
            RecorderError: the records cannot be read now, so nobody knows whether a hold keeps them.
        """
        require(by, by.tenant, "admin")
        target = self.find(by.tenant, wanted).target
        with self.database.read() as conn:
            holds = in_force(conn, by.tenant)
        if any(hold.subject_ref in target.subject_refs for hold in holds) or self._holds_records(by, target, holds):
            raise Conflict("A legal hold keeps this; lift it first (`sluice retention holds`).")
        return target

    def export(self, by: Identity, wanted: Wanted) -> dict[str, Any]:
        """Gather a copy of everything kept about a person; the same record gives the same copy.

        Raises:
            NotAllowed: `by` is neither auditor nor admin.
            RecorderError: the records cannot be read now.
        """
        require(by, by.tenant, "auditor", "admin")
        found = self.find(by.tenant, wanted)
        client, target = self.client(by), found.target
        records: dict[int, dict[str, Any]] = {}
        for ref in target.subject_refs or ("",):
            records |= {row["seq"]: row for row in _rows(client, ref, ",".join(target.event_ids))}
        made = {
            "format": 1,
            "found_by": "subject" if wanted.subject else "value",
            "records": [_record(client, records[seq]) for seq in sorted(records)],
            "items": [
                {"kind": text.kind, "id": text.item_id, "value": text.value} for text in self._texts(found, wanted)
            ],
        }
        self._note("subject.exported", by, wanted, found)
        return made

    def _holds_records(self, by: Identity, target: Target, holds: Sequence[LegalHold]) -> bool:
        if not holds:
            return False
        client, ids = self.client(by), ",".join(target.event_ids)
        rows = (row for ref in target.subject_refs or ("",) for row in _rows(client, ref, ids))
        return any(hold.keeps(row) for row in rows for hold in holds)

    def _by_value(self, tenant: str, value: str, kind: str | None) -> Found:
        minter = Minter(self.master.derive(f"redaction/values/{tenant}"))
        rows_of = {
            each: self.keystore.found(tenant, each, minter.digest(each, value))
            for each in ([kind] if kind else self.keystore.kinds())
        }
        rows = {row for found in rows_of.values() for row in found}
        by_kind = {each: len(found) for each, found in rows_of.items() if found}
        events, days = {event for event, _, _ in rows}, {day for _, _, day in rows}
        refs = {ref for _, ref, _ in rows if ref}
        items = tuple(
            (text.kind, text.item_id) for text in SealedTexts(self.database, self.master).with_value(tenant, value)
        )
        target = Target(tenant, (), tuple(sorted(events)), min(days, default=""), items)
        return Found(target, by_kind, tuple(sorted(refs)))

    def _texts(self, found: Found, wanted: Wanted) -> Iterator[Text]:
        texts, target = SealedTexts(self.database, self.master), found.target
        for ref in target.subject_refs:
            yield from texts.about(target.tenant, ref)
        if wanted.value:
            yield from texts.with_value(target.tenant, wanted.value)

    def _note(self, kind: str, by: Identity, wanted: Wanted, found: Found) -> None:
        said = {"by": "subject" if wanted.subject else "value", "value_kind": wanted.kind, **found.counts}
        with self.database.write() as tx:
            tx.record(Note(kind, by.tenant, by.holder, said))


def _rows(client: RecorderClient, ref: str, ids: str) -> Iterator[dict[str, Any]]:
    after = 0
    while True:
        rows = list(
            client.query("subject_records", subject_ref=ref, event_ids=ids, after_seq=after, limit=_PAGE).dicts()
        )
        yield from rows
        if len(rows) < _PAGE:
            return
        after = rows[-1]["seq"]


def _record(client: RecorderClient, row: dict[str, Any]) -> dict[str, Any]:
    """Return one record with its texts, each checked against the audit tree as it is read."""
    kept = {name: value for name, value in row.items() if value is not None and name != "sealed"}
    if not row["sealed"]:
        return kept
    try:
        return kept | {"texts": client.content(row["event_id"])}
    except RecorderError as error:
        if error.status != _GONE:
            raise
        return kept | {"texts": "no longer kept"}
