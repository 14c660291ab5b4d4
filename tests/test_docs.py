"""The documentation is complete and its references hold: codes, headers, commands, settings, questions, links."""

import ast
import asyncio
import re
from pathlib import Path

import click
import pytest

from gateway import errors
from gateway.cli import cli as sluice
from gateway.settings import SPECS
from metrics.health.measures import load_measures
from metrics.health.questions import all_questions
from tests.integration.gateway.access import ROWS, offered_by_a_worker

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:)([^)#\s]+)(?:#[^)]*)?\)")
HEADER = re.compile(r'"(x-(?:sluice|should|request|simulated)[a-z-]*)"')


def page(name: str) -> str:
    return (DOCS / "reference" / name).read_text("utf-8")


def pages() -> list[Path]:
    return sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])


def error_codes() -> set[str]:
    """Every code that a class of gateway.errors carries."""
    classes = [
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.GatewayError)
    ]
    return {found.code for found in classes}


def codes_given_in_place() -> set[str]:
    """Every code that is passed as `code="..."` anywhere in the gateway."""
    found = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                found.add(node.value.value)
    return {code for code in found if isinstance(code, str)}


def test_every_error_code_is_explained() -> None:
    text = page("errors.md")
    missing = {code for code in error_codes() | codes_given_in_place() if f"`{code}`" not in text}
    assert not missing


def test_every_header_is_explained() -> None:
    sources = [p.read_text("utf-8") for folder in ("gateway", "demo") for p in (ROOT / folder).rglob("*.py")]
    used = {name for text in sources for name in HEADER.findall(text)}
    documented = "\n".join(path.read_text("utf-8") for path in pages())
    assert used
    assert not {name for name in used if name not in documented}


def test_every_setting_has_its_place() -> None:
    text = page("settings.md")
    assert not {spec.name for spec in SPECS if f"{spec.name}" not in text}


def commands(group: click.Group, path: str = "sluice") -> list[str]:
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        here = f"{path} {name}"
        found += commands(command, here) if isinstance(command, click.Group) else [here]
    return found


def test_every_command_is_explained() -> None:
    text = page("cli.md")
    known = commands(sluice)
    assert "sluice up" in known
    assert not [name for name in known if name not in text]


def test_every_question_to_the_recorder_is_explained() -> None:
    text = page("queries.md")
    assert not {name for name in all_questions() if not re.search(rf"[#`] ?{name}\b", text)}


def test_every_measure_is_explained_as_its_file_does() -> None:
    text = page("measures.md")
    for key, measure in load_measures().items():
        section = f"## {key}\n\n**{measure.name}** ({measure.unit}). {measure.question}\n\n{measure.definition}\n"
        assert section in text, section


def test_every_route_says_who_may_use_it(tmp_path: Path) -> None:
    """A route without a row of `access.py` is one that the matrix of roles and tenants does not ask."""
    assert asyncio.run(offered_by_a_worker(tmp_path)) == set(ROWS)


def test_every_make_target_is_named_with_what_it_does() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    named = set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
    documented = "\n".join(path.read_text("utf-8") for path in pages())
    assert {"run", "test", "check", "bench", "campaign-kill"} <= named
    assert not {name for name in named - {"help", "clean", "lock"} if f"make {name}" not in documented}


@pytest.mark.parametrize("path", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    broken = [target for target in LINK.findall(path.read_text("utf-8")) if not (path.parent / target).exists()]
    assert not broken


def test_decisions_fit_on_one_page() -> None:
    long = {p.name: n for p in (DOCS / "adr").glob("*.md") if (n := p.read_text("utf-8").count("\n")) > 70}
    assert not long


def test_the_architecture_page_names_the_folders_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    named = re.findall(r"^\| `([a-z/]+)/` \|", text, re.MULTILINE)
    assert set(named) >= {"policy", "redaction", "metrics/record", "gateway", "dashboard", "automations", "demo"}
    assert not [name for name in named if not (ROOT / name).is_dir()]


def test_readme_shows_the_commands_that_the_makefile_has() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert "make run" in text
    assert "make test" in text
    assert "docs/images/overview.png" in text
