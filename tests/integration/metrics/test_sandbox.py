"""What a question can do at worst, if a statement of an attacker reached the ledger's connection."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from metrics.record.recorder import Recorder
from metrics.record.refusals import QueryError, QueryTimeoutError
from metrics.record.sandbox import QueryLimits, Sandbox
from tests.integration.metrics.support import recording, rows, write_calls

ATTACKS = {
    "read a file": "SELECT * FROM read_text('{secret}')",
    "read a file by its name": "SELECT * FROM '{secret}'",
    "read csv": "SELECT * FROM read_csv('/etc/passwd', delim='|', header=false) LIMIT 1",
    "read bytes": "SELECT filename FROM read_blob('/etc/passwd')",
    "list files": "SELECT * FROM glob('/etc/*') LIMIT 1",
    "write a file": "COPY (SELECT 1) TO '{folder}/pwn.csv'",
    "attach": "ATTACH '{folder}/other.duckdb' AS o",
    "install": "INSTALL httpfs",
    "load": "LOAD 'evil.duckdb_extension'",
    "open the door again": "SET enable_external_access=true",
    "raise the memory": "SET memory_limit='20GB'",
    "move the spill": "SET temp_directory='{folder}/zz'",
    "read the environment": "SELECT getenv('HOME')",
    "drop": "DROP TABLE calls",
    "delete": "DELETE FROM calls",
    "insert": "INSERT INTO posted VALUES (1)",
    "update": "UPDATE calls SET tenant = 'x'",
    "create": "CREATE TABLE t AS SELECT 1",
    "export": "EXPORT DATABASE '{folder}/exp'",
    "checkpoint": "CHECKPOINT",
    "leave the transaction": "COMMIT; DROP TABLE calls",
    "two statements": "SELECT 1; DELETE FROM calls",
    "secret": "CREATE SECRET s1 (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "pragma": "PRAGMA database_list",
    "call": "CALL pragma_version()",
    "explain and do": "EXPLAIN ANALYZE DELETE FROM calls",
    "nothing": "",
    "not sql": "SELEKT",
}


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    data = tmp_path_factory.mktemp("data")
    write_calls(data, "c1", "c2")
    with recording(data) as running:
        yield running


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_reads_and_changes_nothing(recorder: Recorder, tmp_path: Path, attack: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("TOPSECRET")
    sql = ATTACKS[attack].format(secret=secret, folder=tmp_path)
    with recorder.door.cursor() as cursor:
        for ask in (Sandbox(cursor, QueryLimits()).rows, Sandbox(cursor, QueryLimits()).arrow):
            with pytest.raises((duckdb.Error, QueryError)):
                ask(sql, {})
    assert [path.name for path in tmp_path.iterdir()] == ["secret.txt"]
    assert rows(recorder, "SELECT count(*) FROM calls") == [(2,)]


@pytest.mark.parametrize(
    "attack", [sql for sql in ATTACKS.values() if sql.startswith(("COPY", "ATTACH", "SET", "INSTALL", "SELECT * FROM"))]
)
def test_even_the_bare_connection_cannot_leave_the_ledger(recorder: Recorder, tmp_path: Path, attack: str) -> None:
    with recorder.door.cursor() as cursor, pytest.raises(duckdb.Error):
        cursor.execute(attack.format(secret="/etc/hostname", folder=tmp_path)).fetchall()


def test_a_question_without_end_is_stopped(recorder: Recorder) -> None:
    endless = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(1000000) b"
    with recorder.door.cursor() as cursor, pytest.raises(QueryTimeoutError):
        Sandbox(cursor, QueryLimits(seconds=0.3)).rows(endless, {})
    assert rows(recorder, "SELECT count(*) FROM calls") == [(2,)]


def test_a_cursor_is_as_good_as_new_after_a_failure(recorder: Recorder) -> None:
    with recorder.door.cursor() as cursor:
        box = Sandbox(cursor, QueryLimits())
        for sql in ("SELECT * FROM nowhere", "SELECT 1/'x'"):
            with pytest.raises(duckdb.Error):
                box.rows(sql, {})
        assert box.rows("SELECT count(*) AS n FROM calls", {}).rows == [(2,)]
