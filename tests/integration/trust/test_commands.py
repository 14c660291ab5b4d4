"""`sluice subjects` and `sluice retention`, as somebody on the machine uses them."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from gateway.cli import cli
from gateway.control.database import open_database
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.migrations import upgrade
from metrics.record.journal import FileJournal
from tests.integration.metrics.support import content, end, recording, write
from tests.integration.metrics.test_service import serving


def sluice(environ: dict[str, str], *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(cli, arguments, env=environ, catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


def asked(environ: dict[str, str], *arguments: str) -> Any:
    return json.loads(sluice(environ, *arguments, "--json"))


def test_a_person_is_found_held_copied_and_erased(tmp_path: Path) -> None:
    data = tmp_path / "data"

    async def use(journal: FileJournal) -> None:
        await journal.commit(end("c1"), content("anna", request="words of anna"))

    write(data, use)
    database = open_database(f"sqlite:///{data}/control.db")
    upgrade(database)
    ensure_tenant(database, "acme")
    database.close()
    with recording(data) as recorder, serving(recorder) as url:
        environ = {"SLUICE_DATA": str(data), "SLUICE_RECORDER_URL": url, "SLUICE_POLICIES": str(tmp_path / "none")}
        whose = ("--tenant", "acme")
        found = asked(environ, "subjects", "search", "--subject", "anna", *whose)
        assert found == {"subjects": 1, "records": 0, "items": 0, "other_subjects": 0, "by_kind": {}}
        assert "either a subject or a value" in sluice(environ, "subjects", "search", *whose, code=1)

        sluice(environ, "subjects", "export", "--subject", "anna", "--to", str(tmp_path / "copy"), *whose)
        copy = json.loads((tmp_path / "copy.json").read_text())
        assert [each["texts"] for each in copy["records"]] == [{"request": "words of anna"}]
        assert "words of anna" in (tmp_path / "copy.html").read_text()

        held = sluice(environ, "retention", "hold", "case-1", "--subject", "anna", *whose).split()[0]
        assert held in sluice(environ, "retention", "holds", *whose)
        erasing = ("subjects", "erase", "--subject", "anna", "--basis", "gdpr-17", "--yes", *whose)
        assert "legal hold" in sluice(environ, *erasing, code=1)
        sluice(environ, "retention", "lift", held, *whose)
        receipt = asked(environ, *erasing)
        assert receipt["verified"]
        assert receipt["stores"]["keystore"]["counts"]["keys"] == 1
        asking = [word for word in erasing if word != "--yes"]
        assert "Nothing is stored" in sluice(environ, *asking, code=1)
        assert "gdpr-17" in sluice(environ, "subjects", "receipts", *whose)

        assert asked(environ, "retention", "plan")["records"] == 0
        assert asked(environ, "retention", "run")["keys"] == {}
        assert "frames beside held ones" in sluice(environ, "retention", "plan")
    assert "does not answer" in sluice(environ, "retention", "plan", code=1)
