"""The record of processing, written from policy files."""

import json
from pathlib import Path

from click.testing import CliRunner

from gateway.cli import cli

SHIPPED = Path(__file__).parents[3] / "policies"


def test_the_shipped_policies_become_a_record_of_processing() -> None:
    found = json.loads(CliRunner().invoke(cli, ["policy", "processing", str(SHIPPED), "--json"]).output)
    activities = {each["policy"]: each for each in found["activities"]}
    assert activities["default"]["governs"] == ["any key"]
    assert "secrets (pseudonym)" in activities["default"]["redacted"]
    assert "content: 30d" in activities["default"]["retention"]
    assert activities["support-drafting"]["purposes"]
    assert any("controller" in what for what in found["to_add"])


def test_it_reads_as_markdown() -> None:
    text = CliRunner().invoke(cli, ["policy", "processing", str(SHIPPED)]).output
    assert text.startswith("# Record of processing activities\n")
    assert "## To be added by the controller" in text
    assert "- Passed on: nothing that a rule names\n" in text
    assert "automation: 30d\n" in text  # and nothing of what is empty in the files
