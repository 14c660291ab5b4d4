"""The reference pages name exactly the settings and commands that exist."""

import re
from pathlib import Path

from gateway.cli import cli
from gateway.settings import CONFIG, SPECS
from tests.unit.gateway_cli.test_cli import commands

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def headings(page: str) -> set[str]:
    return set(re.findall(r"^## (.+)$", (REFERENCE / page).read_text("utf-8"), re.MULTILINE))


def test_every_setting_has_its_heading_and_no_other_has() -> None:
    assert headings("settings.md") == {spec.name for spec in SPECS} | {CONFIG}


def test_every_default_is_told() -> None:
    page = (REFERENCE / "settings.md").read_text("utf-8")
    sections = dict(re.findall(r"^## (\w+)\n(.+?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    untold = [
        spec.name for spec in SPECS if spec.default is not None and f"`{spec.default}`" not in sections[spec.name]
    ]
    assert not untold


def test_every_command_has_its_heading_and_no_other_has() -> None:
    assert headings("cli.md") == {f"sluice {' '.join(path)}" for path, _ in commands(cli)}


def test_every_flag_is_named() -> None:
    page = (REFERENCE / "cli.md").read_text("utf-8")
    flags = {
        flag
        for _, command in commands(cli)
        for option in command.params
        for flag in option.opts
        if flag.startswith("--")
    }
    assert not {flag for flag in flags if flag not in page}
