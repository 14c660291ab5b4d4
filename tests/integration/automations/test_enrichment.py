"""CRM enrichment: only what a record bears out is written, and never over what a person wrote."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from automations.connectors.sql import engine_of
from automations.enrichment.automation import enrichment
from automations.enrichment.rules import Company
from automations.queue.desk import Who
from automations.worker.reading import Reading
from tests.automation_bench import POLICIES, Bench, bench

COMPANIES = """
    id INTEGER PRIMARY KEY, name TEXT, website TEXT, notes TEXT,
    industry TEXT, employees INTEGER, city TEXT, domain TEXT
"""
NOTES = "Makes software. Team of 1,042 people in Dublin."
SAID = {"industry": "software", "employees": 1042, "city": "Dublin", "domain": "quill.example"}


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[Bench]:
    url = f"sqlite:///{tmp_path}/crm.db"
    engine = engine_of(url)
    with engine.begin() as conn:
        conn.execute(text(f"CREATE TABLE companies ({COMPANIES})"))
    with bench(tmp_path, enrichment({"SLUICE_POLICIES": POLICIES, "CRM_DATABASE_URL": url})) as made:
        made.says(SAID)
        yield made
    engine.dispose()


def put(tmp_path: Path, **values: Any) -> None:
    row = {"id": 1, "name": "Quill", "website": "https://www.Quill.example/about", "notes": NOTES} | values
    names = ", ".join(row)
    engine = engine_of(f"sqlite:///{tmp_path}/crm.db")
    with engine.begin() as conn:
        conn.execute(text(f"INSERT INTO companies ({names}) VALUES ({', '.join(':' + name for name in row)})"), row)
    engine.dispose()


def stands(tmp_path: Path) -> dict[str, Any]:
    engine = engine_of(f"sqlite:///{tmp_path}/crm.db")
    with engine.begin() as conn:
        row = dict(conn.execute(text("SELECT industry, employees, city, domain FROM companies")).mappings().one())
    engine.dispose()
    return row


def test_a_row_is_filled_with_what_it_bears_out(tmp_path: Path, crm: Bench) -> None:
    put(tmp_path)
    assert crm.poll() == 1
    assert stands(tmp_path) == SAID
    engine = engine_of(f"sqlite:///{tmp_path}/crm.db")
    with engine.begin() as conn:
        notes = {row.column_name: row.source for row in conn.execute(text("SELECT * FROM sluice_written"))}
    engine.dispose()
    assert notes == {"industry": "notes, read by a model", "employees": "notes", "city": "notes", "domain": "website"}


def test_what_a_person_wrote_stays(tmp_path: Path, crm: Bench) -> None:
    put(tmp_path, employees=900, city="Cork")
    assert crm.poll() == 1
    assert stands(tmp_path) == {"industry": "software", "employees": 900, "city": "Cork", "domain": "quill.example"}


@pytest.mark.parametrize(
    ("wrong", "kept"),
    [
        ({"employees": 104}, {"employees": None}),
        ({"employees": 42, "city": "Paris"}, {"employees": None, "city": None}),
        ({"city": "Dublin'; DROP TABLE companies; --"}, {"city": None}),
        ({"city": "Dub"}, {"city": None}),
        ({"domain": "evil.example"}, {"domain": "quill.example"}),
        ({"industry": None}, {"industry": None}),
    ],
)
def test_what_the_record_does_not_say_is_not_written(
    tmp_path: Path, crm: Bench, wrong: dict[str, Any], kept: dict[str, Any]
) -> None:
    put(tmp_path)
    crm.says(SAID | wrong)
    crm.poll()
    assert stands(tmp_path) == SAID | kept


@pytest.mark.parametrize("said", [SAID | {"industry": "crime"}, SAID | {"employees": -1}, SAID | {"owner": "me"}, "no"])
def test_an_answer_out_of_the_form_writes_nothing(tmp_path: Path, crm: Bench, said: Any) -> None:
    put(tmp_path)
    crm.says(said)
    assert crm.run(Company(id=1, name="Quill", notes=NOTES)) == ["invalid_output"]
    assert set(stands(tmp_path).values()) == {None}


def test_a_row_of_which_nothing_is_known_asks_no_model(crm: Bench) -> None:
    assert crm.run(Company(id=1, name="Quill", notes=" ")) == ["nothing_known"]
    assert not crm.model.asked


def test_without_a_customer_database_a_run_says_how_to_name_one(tmp_path: Path) -> None:
    with bench(tmp_path, enrichment({"SLUICE_POLICIES": POLICIES})) as made:
        made.says(SAID)
        (queued,) = made.engine.enqueue("crm-enrichment", [Company(id=1, name="Quill", notes=NOTES)])
        made.finish()
        assert made.ended(queued.run_id) == "fatal"
        read = Reading(made.engine).opened(Who("usr_1", "default"), queued.run_id)
    assert "set CRM_DATABASE_URL or CRM_API" in read["detail"]
