"""`sluice new`: a new automation with everything that belongs to one, made from an automation that works."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from gateway.cli import Sentence

NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST: Final = 24  # longer names make lines of the copies too long


@dataclass(frozen=True, slots=True)
class Like:
    """One of the automations that others are made from: its registered name, prompt, variables and title."""

    name: str
    prompt: str
    variables: str
    title: str


MODELS: Final[Mapping[str, Like]] = {
    "triage": Like("inbound-triage", "triage-sort", "TRIAGE", "Inbound triage"),
    "enrichment": Like("crm-enrichment", "crm-extract", "CRM", "CRM enrichment"),
    "qualification": Like("qualification-summary", "qualify", "QUALIFICATION", "Qualification summary"),
    "support": Like("support-drafting", "support-draft", "SUPPORT", "Support drafting"),
}


@click.group(help="Make something new in this project.")
def new() -> None:
    pass


@new.command(
    help="""Write a new automation into this project: its steps, policy, prompt, tests and its entry in the registry.

It is a copy of one that works, under its own name, and passes `make check` as it stands. Call it in the folder that
holds `automations`, `policies` and `tests`.

\b
Examples:
  sluice new automation warranty-claims --like triage
  sluice new automation partner-answers --like support
"""
)
@click.argument("name")
@click.option(
    "--like", type=click.Choice(list(MODELS)), default="triage", show_default=True, help="What it is made from."
)
def automation(name: str, like: str) -> None:
    if not NAME.fullmatch(name) or len(name) > _LONGEST:
        raise Sentence(
            f"{name!r} is no name: up to {_LONGEST} lower-case letters and digits, with hyphens between words."
        )
    written = write(Path.cwd(), name, like)
    for path in written:
        click.echo(f"  {path}")
    click.echo(f"Next: say in policies/automations/{name}.yaml what it is for, then change rules and prompt to yours.")


def write(project: Path, name: str, like: str) -> list[Path]:
    """Write the files of a new automation; return them, relative to the project.

    Raises:
        Sentence: a file to copy is missing, or one to write is there.
    """
    texts = {to: _renamed(_read(project / path), name, like) for path, to in _files(project, name, like)}
    if there := next((to for to in texts if (project / to).exists()), None):
        raise Sentence(f"{there} is there already; choose another name.")
    for to, text in texts.items():
        if not (project / to).parent.exists():
            (project / to).parent.mkdir(parents=True)
            (project / to).parent.chmod(0o755)
        (project / to).write_text(text, encoding="utf-8")
        (project / to).chmod(0o644)  # a file of the repository, which other users' programs read
    _tidy(project, [to for to in texts if to.suffix == ".py"])
    return sorted(texts)


def _files(project: Path, name: str, like: str) -> Iterator[tuple[Path, Path]]:
    """Give each file that belongs to the model, with where its copy goes."""
    made, word = MODELS[like], name.replace("-", "_")
    own = Path("automations") / like
    if not (project / own).is_dir():
        raise Sentence(f"there is no folder {own} here; call this in the folder of the project.")
    for path in sorted((project / own).rglob("*")):
        if path.is_file() and path.suffix in (".py", ".yaml", ".md"):
            yield path.relative_to(project), Path("automations") / word / path.relative_to(project / own)
    tests = Path("tests/integration/automations")
    yield tests / f"test_{like}.py", tests / f"test_{word}.py"
    for folder in (Path("policies"), Path("policies/automations")):
        yield folder / f"{made.name}.yaml", folder / f"{name}.yaml"
    prompts = Path("policies/prompts")
    yield prompts / made.prompt / "v1.md", prompts / _prompt(name, made) / "v1.md"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise Sentence(f"{path} is missing, which the new automation would be made from.") from error


def _renamed(text: str, name: str, like: str) -> str:
    """Give a file of the model under the new name; prose about the model stays for its new owner to rewrite."""
    made, word = MODELS[like], name.replace("-", "_")
    for old, fresh in (
        (rf"\b{made.name}\b", name),
        (rf"\b{made.prompt}(?=@|\b.*\bv1\b|$|\n|\])", _prompt(name, made)),
        (rf"\bautomations\.{like}\b", f"automations.{word}"),
        (rf"\b{made.variables}(?=[_\"])", word.upper()),
        (rf"\b{like}\(", f"{word}("),
        (rf"(?<=import )((?:\w+, )*){like}\b", rf"\g<1>{word}"),
        (made.title, name.replace("-", " ").capitalize()),
    ):
        text = re.sub(old, fresh, text, flags=re.MULTILINE)
    return text


def _prompt(name: str, made: Like) -> str:
    return f"{name}-{made.prompt.rpartition('-')[2]}"


def _tidy(project: Path, files: list[Path]) -> None:
    """Sort imports and wrap lines as the project does, which depends on how long a name is."""
    if importlib.util.find_spec("ruff") is None:
        return
    for command in (("check", "--quiet", "--fix-only", "--select", "I"), ("format", "--quiet")):
        subprocess.run([sys.executable, "-m", "ruff", *command, *map(str, files)], cwd=project, check=False)
