import base64
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from metrics.record.journal import open_keystore
from metrics.record.keystore import KeyStore, KeyStoreError
from metrics.record.master import MasterKey, MasterKeyError, master_key
from metrics.record.value_index import PART_ROWS, IndexRow

MASTER = MasterKey(b"m" * 32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KeyStore]:
    keystore = KeyStore(tmp_path / "keys" / "keystore.sqlite", MASTER)
    yield keystore
    keystore.close()


def test_two_processes_get_the_same_keys(store: KeyStore, tmp_path: Path) -> None:
    other = KeyStore(tmp_path / "keys" / "keystore.sqlite", MASTER)
    assert (
        other.day_key("acme", "content", "2026-11-22").key_id == store.day_key("acme", "content", "2026-11-22").key_id
    )
    assert other.subject_key("acme", "anna")[0] == store.subject_key("acme", "anna")[0]
    other.close()


def test_every_day_tenant_and_class_has_a_key_of_its_own(store: KeyStore) -> None:
    scopes = [(tenant, kept, day) for tenant in ("a", "b") for kept in ("content", "audit") for day in ("d1", "d2")]
    assert len({store.day_key(*scope).key_id for scope in scopes}) == len(scopes)


def test_subject_ids_are_not_in_the_file(store: KeyStore, tmp_path: Path) -> None:
    store.subject_key("acme", "anna.muster@example.com")
    assert all(b"anna.muster" not in path.read_bytes() for path in (tmp_path / "keys").iterdir())


def test_a_subject_of_another_tenant_is_another_subject(store: KeyStore) -> None:
    assert store.subject_key("a", "anna")[0] != store.subject_key("b", "anna")[0]


def test_erasure_leaves_no_byte_of_the_erased_keys_in_the_file(store: KeyStore, tmp_path: Path) -> None:
    subjects = [store.subject_key("acme", f"subject {n}") for n in range(300)]
    refs = [ref for ref, _ in subjects]
    day = store.day_key("acme", "content", "2026-11-22").key_id
    store.index([IndexRow(f"{n:064x}", "EMAIL", f"e{n}", key.key_id, day) for n, (_, key) in enumerate(subjects)])
    path = tmp_path / "keys" / "keystore.sqlite"
    with sqlite3.connect(path) as reader:
        wrapped = dict(reader.execute("SELECT subject_ref, wrapped FROM keys").fetchall())
    reader.close()
    erased, kept = refs[::3], [ref for n, ref in enumerate(refs) if n % 3]
    for ref in erased:
        assert store.erase(ref).keys == 1
    left = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert not [ref for ref in erased if wrapped[ref] in left or ref.encode() in left]
    assert all(wrapped[ref] in left for ref in kept)
    assert [n for n in range(300) if store.found("acme", "EMAIL", f"{n:064x}")] == [n for n in range(300) if n % 3]


def test_erasure_is_idempotent_and_counts_what_it_destroyed(store: KeyStore) -> None:
    ref, key = store.subject_key("acme", "anna")
    day = store.day_key("acme", "content", "2026-11-22").key_id
    store.index([IndexRow("00", "EMAIL", "e1", key.key_id, day)])
    first, second = store.erase(ref), store.erase(ref)
    assert (first.keys, first.subjects, first.index_rows) == (1, 1, 1)
    assert (second.keys, second.subjects, second.index_rows) == (0, 0, 0)
    assert store.key(key.key_id) is None
    assert store.subject_key("acme", "anna")[0] != ref


def test_the_end_of_retention_destroys_the_keys_of_past_days_only(store: KeyStore) -> None:
    old = store.day_key("acme", "content", "2026-10-01")
    audit = store.day_key("acme", "audit", "2026-10-01")
    new = store.day_key("acme", "content", "2026-11-01")
    store.index([IndexRow("00", "EMAIL", f"e{n}", None, key.key_id) for n, key in enumerate((old, new))])
    assert [key.day for key in store.day_keys()] == ["2026-10-01", "2026-10-01", "2026-11-01"]
    assert store.destroy([old.key_id]) == 1
    assert store.key(old.key_id) is None
    assert [row[:2] for row in store.found("acme", "EMAIL", "00")] == [("e1", None)]
    assert store.found("rival", "EMAIL", "00") == []
    store.index([IndexRow("00", "EMAIL", "e0", None, old.key_id)])  # read again after its key was destroyed
    assert [row[:2] for row in store.found("acme", "EMAIL", "00")] == [("e1", None)]
    assert store.key(audit.key_id)
    assert store.key(new.key_id)


@pytest.mark.parametrize(
    ("table", "row"),
    [
        (
            "value_index (tenant, kind, value_hmac, event_id, subject_ref, key_id)",
            "'acme', 'EMAIL', '00', 'e1', NULL, ?",
        ),
        (
            "found (day_key, value_hmac, kind, event_id, subject_key)",
            "(SELECT number FROM keys WHERE key_id = ?), '00', 'EMAIL', 'e1', NULL",
        ),
    ],
)
def test_the_index_of_an_older_key_store_is_taken_over(store: KeyStore, tmp_path: Path, table: str, row: str) -> None:
    key_id = store.day_key("acme", "content", "2026-11-01").key_id
    path = tmp_path / "keys" / "keystore.sqlite"
    with sqlite3.connect(path) as old:
        old.execute(f"CREATE TABLE {table}")
        old.execute(f"INSERT INTO {table.split(maxsplit=1)[0]} VALUES ({row})", (key_id,))
    old.close()
    for n in range(2):
        again = KeyStore(path, MASTER)
        assert [event for event, *_ in again.found("acme", "EMAIL", "00")] == ["e1", "e2"][: n + 1]
        again.index([IndexRow("00", "EMAIL", "e2", None, key_id)])
        again.close()


def test_values_are_found_erased_and_forgotten_in_whatever_part_of_a_day_they_stand(store: KeyStore) -> None:
    day = store.day_key("acme", "content", "2026-11-01").key_id
    ref, anna = store.subject_key("acme", "anna")
    for part in range(3):
        ours = [IndexRow("aa", "EMAIL", f"{whose}{part}", key, day) for whose, key in (("a", anna.key_id), ("b", None))]
        store.index(ours)
        store.index([IndexRow(f"{n:08x}", "PHONE", f"{part}-{n}", None, day) for n in range(PART_ROWS)])
    store.index(ours)  # again, after a crash: into a part that the first time did not know

    def stands() -> list[str]:
        return sorted(event for event, _, _ in store.found("acme", "EMAIL", "aa"))

    assert stands() == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert len(store.found("acme", "PHONE", f"{7:08x}")) == 3
    assert store.kinds() == ["EMAIL", "PHONE"]
    store.forget_events(["b1", "b2", "0-7"])
    assert stands() == ["a0", "a1", "a2", "b0"]
    store.erase(ref)
    assert stands() == ["b0"]
    store.destroy([day])
    assert (stands(), store.kinds()) == ([], [])


def test_another_master_key_is_refused_at_once(store: KeyStore, tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError, match="another master key"):
        KeyStore(tmp_path / "keys" / "keystore.sqlite", MasterKey(b"x" * 32))


def test_the_master_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    first, second = master_key(tmp_path, {}), master_key(tmp_path, {})
    assert first.derive("x") == second.derive("x") != first.derive("y")
    assert stat.S_IMODE((tmp_path / "keys" / "master.key").stat().st_mode) == 0o600
    assert "..." in repr(first)


def test_a_key_store_that_was_moved_away_makes_no_key_and_says_no_erasure_done(store: KeyStore, tmp_path: Path) -> None:
    ref, _ = store.subject_key("acme", "person")
    folder = tmp_path / "keys"
    folder.rename(tmp_path / "away")
    for change in (lambda: store.day_key("acme", "content", "2026-11-23"), lambda: store.erase(ref)):
        with pytest.raises(sqlite3.OperationalError, match="not there any more"):
            change()
    (tmp_path / "away").rename(folder)
    assert store.find_subject("acme", "person") == ref
    assert store.day_key("acme", "content", "2026-11-23")


def test_no_second_master_key_is_made_where_records_are_sealed_with_the_first(tmp_path: Path) -> None:
    keystore, _ = open_keystore(tmp_path, {})
    keystore.close()
    key = tmp_path / "keys" / "master.key"
    key.rename(tmp_path / "safe")
    with pytest.raises(MasterKeyError, match="put it back, or give it in SLUICE_MASTER_KEY"):
        open_keystore(tmp_path, {})
    assert not key.exists()  # a wrong one would be in the way of the right one
    shutil.rmtree(key.parent)
    (tmp_path / "journal" / "content" / "2026-11-23").mkdir(parents=True)
    with pytest.raises(MasterKeyError, match="put it back"):
        open_keystore(tmp_path, {})


def test_the_master_key_may_come_from_the_environment(tmp_path: Path) -> None:
    given = base64.b64encode(b"k" * 32).decode()
    assert master_key(tmp_path, {"SLUICE_MASTER_KEY": given}).derive("x") == MasterKey(b"k" * 32).derive("x")
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("text", ["short", "not base 64!", base64.b64encode(b"k" * 31).decode()])
def test_a_malformed_master_key_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(MasterKeyError) as caught:
        open_keystore(tmp_path, {"SLUICE_MASTER_KEY": text})
    assert text not in str(caught.value)
