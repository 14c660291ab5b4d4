"""CRM enrichment: rows without an industry get one, and size, city and domain, where their record says so."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Final

from automations.connectors.api import Api
from automations.connectors.api_file import read_named
from automations.connectors.api_records import ApiRecords, ApiRows
from automations.connectors.filled import Nowhere, Records
from automations.connectors.places import signed_hook
from automations.connectors.sql import SqlRows, SqlTable, engine_of
from automations.enrichment.rules import Company, Facts, Firmographics, facts_of
from automations.flow.automation import Automation, Limits, Source
from automations.flow.run import Run
from automations.flow.signals import Finished
from automations.prompts import Shape, messages, model_name

PROMPT: Final = "crm-extract@1"


class Written(Shape):
    """What became of each column."""

    written: tuple[str, ...]
    kept: tuple[str, ...]


def enrichment(environ: Mapping[str, str]) -> Automation:
    """Build the automation; its how-to page lists the variables that it reads."""
    records, sources, paced = _records(environ)
    made = Automation(
        "crm-enrichment",
        Company,
        key=_version,
        limits=Limits(concurrency=2, deadline_s=24 * 3600),
        sources=sources,
        hook=signed_hook(environ, "CRM_HOOK_SECRET", lambda _identity, sent: [Company.model_validate(sent)]),
        paced=paced,
    )

    @made.transform()
    def describe(run: Run[Company], company: Company) -> str:
        """Write the record as the model reads it."""
        told = {"Company": company.name, "Website": company.website, "Notes": company.notes}
        if not (company.notes or "").strip() and not (company.website or "").strip():
            raise Finished("nothing_known")
        return "\n".join(f"{name}: {value}" for name, value in told.items() if value)

    @made.prompt(PROMPT, timeout_s=60)
    def extract(run: Run[Company], record: str) -> Firmographics:
        asked = messages(PROMPT, f"Record:\n{record}", environ)
        return run.ask_for(Firmographics, model_name(environ), asked, temperature=0)

    @made.decide()
    def decide(run: Run[Company], said: Firmographics) -> Facts:
        facts = facts_of(run.input, said)
        if not facts.values:
            raise Finished("nothing_found")
        return facts

    @made.dispatch("fill_company", key=_version, takes_key=True, timeout_s=30)
    def fill(run: Run[Company], facts: Facts) -> Written:
        done = records.fill(facts.id, facts.values, facts.sources, run.action_key, run.id)
        return Written(written=done.written, kept=done.kept)

    return made


def _records(environ: Mapping[str, str]) -> tuple[Records, Sequence[Source], Sequence[Api]]:
    """Give the customer database: behind a described API where one is named, else an SQL database."""
    if environ.get("CRM_API"):
        api = Api(read_named(environ, "CRM_API"), environ)
        return ApiRecords(api), [ApiRows(api, Company)], [api]
    if url := environ.get("CRM_DATABASE_URL"):
        engine = engine_of(url, "CRM_DATABASE_URL")
        table = SqlTable(
            engine, environ.get("CRM_TABLE") or "companies", "id", place="the database of CRM_DATABASE_URL"
        )
        return table, [SqlRows(table, Company, "industry")], []
    return Nowhere("no customer database: set CRM_DATABASE_URL or CRM_API"), [], []


def _version(company: Company) -> str:
    """Name a record as it stands: new notes are looked at again, the same ones are not."""
    return f"{company.id}.{hashlib.sha256(company.model_dump_json().encode()).hexdigest()[:16]}"


AUTOMATION: Final = enrichment(os.environ)
