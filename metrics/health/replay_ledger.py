"""The named questions of a replay, asked of a ledger whose recorder does not run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from metrics.client import Table, Watermark
from metrics.health.questions import all_questions
from metrics.health.replay import Ask


class NoLedgerError(RuntimeError):
    """There is no ledger, or a recorder holds it."""


@contextmanager
def stopped_ledger(data: Path, tenant: str) -> Iterator[Ask]:
    """Open the ledger of a data folder for reading; give the function that asks it.

    Raises:
        NoLedgerError: it cannot be opened.
    """
    path = data / "ledger.duckdb"
    if not path.exists():
        raise NoLedgerError(f"there is no ledger in {data}")
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise NoLedgerError("the ledger is held by a recorder that does not answer") from error
    questions = all_questions()

    def ask(name: str, **params: Any) -> Table:
        given = {key: value for key, value in params.items() if value is not None}
        asked = connection.execute(*questions[name].prepare(tenant, given))
        columns = tuple(column[0] for column in asked.description or ())
        return Table(columns, [list(row) for row in asked.fetchall()], Watermark(0, 0))

    try:
        yield ask
    finally:
        connection.close()
