"""Puts the sample inputs where the automations look for work: mail and files in folders, companies in a database."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

from automations.connectors.mail import read_mail
from demo.samples.read import AUTOMATIONS, samples

Sample = Mapping[str, Any]
_COLUMNS: Final = """
    id TEXT PRIMARY KEY, name TEXT, website TEXT, notes TEXT, industry TEXT, employees INTEGER, city TEXT, domain TEXT
"""
_INSERT: Final = "INSERT INTO companies (id, name, website, notes) VALUES (?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Job:
    """One sample for one automation."""

    automation: str
    sample: Sample


@dataclass(frozen=True, slots=True)
class Inbox:
    """The places below a folder. `start` makes each start's inputs new ones: the queue knows those of before."""

    folder: Path
    start: str

    def environment(self, url: str, secret: str, model: str) -> dict[str, str]:
        """Give the variables that the automations read."""
        return {
            "AUTOMATION_MODEL": model,
            "TRIAGE_FOLDER": str(self.folder / "mail"),
            "TICKETS_URL": url,
            "CRM_DATABASE_URL": f"sqlite:///{self.database}",
            "QUALIFICATION_FOLDER": str(self.folder / "calls"),
            "QUALIFICATION_URL": f"{url}/summaries",
            "QUALIFICATION_SECRET": secret,
            "SUPPORT_FOLDER": str(self.folder / "tickets"),
            "SUPPORT_PICKUP": str(self.folder / "letters"),
        }

    @property
    def database(self) -> Path:
        """Return the customer database."""
        return self.folder / "crm.db"

    def prepare(self) -> None:
        """Make the folders and the database."""
        for name in ("mail", "calls", "tickets"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.database)) as base, base:
            base.execute(f"CREATE TABLE IF NOT EXISTS companies ({_COLUMNS})")

    def put(self, jobs: Sequence[Job]) -> dict[str, Sample]:
        """Put samples in their places; return them by the id under which they come out again."""
        rows = {name: [job.sample for job in jobs if job.automation == name] for name in AUTOMATIONS}
        mail, companies, calls, tickets = rows.values()
        known = {self._post(sample): sample for sample in mail}
        known |= {self._id(sample): sample for sample in (*companies, *calls, *tickets)}
        with closing(sqlite3.connect(self.database)) as base, base:
            base.executemany(_INSERT, map(self._row, companies))
        self._write("calls", [{"id": self._id(each), "notes": each["notes"]} for each in calls])
        address = "customer@example.com"
        self._write("tickets", [{"id": self._id(each), "customer": address, "text": each["text"]} for each in tickets])
        return known

    def _id(self, sample: Sample) -> str:
        return f"{sample['id']}.{self.start}"

    def _row(self, sample: Sample) -> tuple[str, str, str | None, str | None]:
        record = sample["record"]
        return self._id(sample), record["company"], record.get("website"), record.get("notes")

    def _post(self, sample: Sample) -> str:
        letter = EmailMessage()
        letter["Message-ID"] = f"<{self._id(sample)}@samples>"
        letter["From"], letter["Subject"] = "somebody@example.com", sample["subject"]
        letter.set_content(sample["text"])
        raw = letter.as_bytes()
        _appear(self.folder / "mail" / f"{self._id(sample)}.eml", raw)
        return read_mail(raw).id

    def _write(self, folder: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            text = "".join(f"{json.dumps(row)}\n" for row in rows)
            _appear(self.folder / folder / f"{self.start}.jsonl", text.encode())


def jobs(limit: int | None = None) -> list[Job]:
    """Give all samples, the automations taking turns; `limit` keeps the first ones."""
    rows = [[Job(name, sample) for sample in samples(name)] for name in AUTOMATIONS]
    longest = max(map(len, rows))
    mixed = [row[at] for at in range(longest) for row in rows if at < len(row)]
    return mixed if limit is None else mixed[:limit]


def _appear(path: Path, raw: bytes) -> None:
    """Let a file appear whole."""
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(raw)
    unfinished.replace(path)
