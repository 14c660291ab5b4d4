"""Erasures: asked for once, finished whatever crashes, nothing about others touched; on both databases."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.control import erasures, schema, sealed
from gateway.control.database import Database
from gateway.control.erasures import DONE, REQUESTED, Erasure
from gateway.control.errors import InvalidInput, NotAllowed
from gateway.control.identity.roles import Identity
from gateway.control.sealed import SealedItem
from gateway.trust.erasing import Eraser, local_stores
from metrics.proof.erasure import ErasureList, Target, apply_list, read_list
from metrics.record.content import Content, FrameKeys, seal
from metrics.record.frames import frame
from metrics.record.keystore import KeyStore
from metrics.record.master import MasterKey
from metrics.record.value_index import IndexRow

DAY = "2026-11-22"


class Crash(Exception):
    """The process dies here."""


@pytest.fixture
def keystore(tmp_path: Path) -> Iterator[KeyStore]:
    opened = KeyStore(tmp_path / "keys" / "keystore.sqlite", MasterKey(b"m" * 32))
    yield opened
    opened.close()


@pytest.fixture
def target(database: Database, keystore: KeyStore, tmp_path: Path) -> Target:
    """Something about anna and about ben in every store, and one unlabelled record."""
    day, frames = keystore.day_key("acme", "content:30d", DAY), []
    refs: dict[str, str] = {}
    for name in ("anna", "ben"):
        refs[name], key = keystore.subject_key("acme", name)
        keystore.index([IndexRow(f"hmac-{name}", "EMAIL_ADDRESS", f"call_{name}.e", key.key_id, day.key_id)])
        keys = FrameKeys(day, key, refs[name])
        frames.append(frame(seal(f"call_{name}.e", "acme", Content(fields={"request": name}), keys)))
        with database.write() as tx:
            for kind in ("review", "response", "idempotency"):
                sealed.put(tx, "acme", SealedItem(kind, f"{kind}-{name}", name.encode() * 9, refs[name]))
    frames.append(frame(seal("call_none.e", "acme", Content(fields={"request": "?"}), FrameKeys(day))))
    keystore.index([IndexRow("hmac-none", "EMAIL_ADDRESS", "call_none.e", None, day.key_id)])
    path = tmp_path / "journal" / "content" / DAY / "gw-1-000001.frames"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(frames))
    return Target("acme", (refs["anna"],), ("call_none.e",), DAY)


def eraser(database: Database, keystore: KeyStore, data: Path, crash_at: int = 0) -> Eraser:
    left = iter(range(crash_at - 1, -1, -1))

    def step() -> None:
        if crash_at and not next(left, 0):
            raise Crash

    return Eraser(database, local_stores(database, keystore, data), ErasureList(data), "test", step)


def items(database: Database) -> set[str]:
    with database.read() as conn:
        return set(conn.execute(select(schema.sealed.c.item_id)).scalars())


def check(done: Erasure, database: Database, keystore: KeyStore, data: Path) -> None:
    assert done.state == DONE
    assert set(done.acks) == {"content", "control", "keystore", "backups"}
    assert items(database) == {"review-ben", "response-ben"}, "copies that may be given again go with single records"
    assert keystore.find_subject("acme", "anna") is None
    assert keystore.found("acme", "EMAIL_ADDRESS", "hmac-anna") == []
    assert keystore.found("acme", "EMAIL_ADDRESS", "hmac-none") == []
    assert [event for event, _, _ in keystore.found("acme", "EMAIL_ADDRESS", "hmac-ben")] == ["call_ben.e"]
    content = b"".join(path.read_bytes() for path in (data / "journal").rglob("*.frames"))
    assert b"call_none.e" not in content
    assert b"call_ben.e" in content
    assert [listed.erasure_id for listed in read_list(data / "erasures.jsonl")] == [done.erasure_id]


def test_all_stores_answer_and_the_receipt_counts(
    database: Database, keystore: KeyStore, target: Target, admin: Identity, tmp_path: Path
) -> None:
    asked = erasures.request(database, admin, target, "gdpr-17", "ticket-4711")
    assert asked.state == REQUESTED
    (done,) = eraser(database, keystore, tmp_path).work()
    check(done, database, keystore, tmp_path)
    assert done.acks["content"]["counts"] == {"frames": 1}
    assert done.acks["control"]["counts"] == {"review": 1, "response": 1, "idempotency": 2}
    assert done.acks["keystore"]["counts"] == {"keys": 1, "subjects": 1, "index_rows": 2}
    assert eraser(database, keystore, tmp_path).work() == []
    with database.read() as conn:
        rows = conn.execute(select(schema.outbox.c.kind, schema.outbox.c.body)).all()
    told = {kind: json.loads(body) for kind, body in rows}
    assert told["erasure"]["subject_refs"] == list(target.subject_refs)
    assert told["erasure"]["event_ids"] == ["call_none.e"]
    assert told["erasure.done"]["stores"]["keystore"]["keys"] == 1


@pytest.mark.parametrize("crash_at", range(1, 9))
def test_a_crash_between_any_two_steps_is_made_good(
    database: Database, keystore: KeyStore, target: Target, admin: Identity, tmp_path: Path, crash_at: int
) -> None:
    asked = erasures.request(database, admin, target, "gdpr-17")
    with pytest.raises(Crash):
        eraser(database, keystore, tmp_path, crash_at).work()
    eraser(database, keystore, tmp_path).work()
    with database.read() as conn:
        check(erasures.find(conn, "acme", asked.erasure_id), database, keystore, tmp_path)


def test_a_restored_copy_is_erased_again_by_the_list(
    database: Database, keystore: KeyStore, target: Target, admin: Identity, tmp_path: Path
) -> None:
    erasures.request(database, admin, target, "other")
    eraser(database, keystore, tmp_path).work()
    with database.write() as tx:  # as an older copy would bring it back
        sealed.put(tx, "acme", SealedItem("review", "review-anna", b"anna", target.subject_refs[0]))
    with (tmp_path / "erasures.jsonl").open("ab") as file:
        file.write(b'{"torn')
    acks = apply_list(read_list(tmp_path / "erasures.jsonl"), local_stores(database, keystore, tmp_path))
    assert [(ack.store, dict(ack.counts)) for ack in acks] == [("control", {"review": 1})]
    assert ErasureList(tmp_path).append(erasures.listed(database, admin)[0].listed) is False


def test_who_may_ask_for_what(database: Database, admin: Identity, target: Target) -> None:
    with pytest.raises(NotAllowed):
        erasures.request(database, Identity("u", "acme", frozenset({"auditor"})), target, "gdpr-17")
    with pytest.raises(NotAllowed):
        erasures.request(database, Identity("u", "other", frozenset({"admin"})), target, "gdpr-17")
    with pytest.raises(NotAllowed):
        erasures.listed(database, Identity("u", "acme", frozenset({"reviewer"})))
    with pytest.raises(InvalidInput, match="Nothing is stored"):
        erasures.request(database, admin, Target("acme"), "gdpr-17")
    with pytest.raises(InvalidInput, match="basis"):
        erasures.request(database, admin, target, "because")
