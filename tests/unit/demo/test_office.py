"""The office of the samples counts what comes of this start, not what an earlier one left in the database."""

import sqlite3
from contextlib import closing
from pathlib import Path

from demo.office import Office


def test_companies_of_an_earlier_start_are_not_counted_again(tmp_path: Path) -> None:
    database = tmp_path / "companies.db"
    with closing(sqlite3.connect(database)) as base, base:
        base.execute("CREATE TABLE sluice_written (row_key, column_name, run, value)")
        rows = [(f"crm-1.{start}", "industry", f"run_{start}", '"retail"') for start in ("before", "now")]
        base.executemany("INSERT INTO sluice_written VALUES (?, ?, ?, ?)", rows)
    office = Office(known={"crm-1.now": {"expected": {"industry": "retail"}}})
    office.look(database)
    assert office.sentence().startswith("0 tickets, 1 companies and 0 summaries came out, 1 right")
