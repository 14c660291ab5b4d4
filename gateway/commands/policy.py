"""`sluice policy`: what can be said about policy files without running anything."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from gateway.cli import Sentence
from gateway.commands import policy_replay, questions
from gateway.commands.common import settings_with
from gateway.commands.detecting import detecting
from gateway.commands.output import json_option, print_json
from gateway.policy_tools.cases import Setting, run_cases
from gateway.policy_tools.check import check as check_folder
from gateway.policy_tools.processing import TO_ADD, markdown, processing
from gateway.policy_tools.revisions import RevisionError, diff_revisions
from policy.diff import Change
from policy.explain import explain as explain_call
from policy.load import load_tree, load_with_places
from policy.problems import PolicyErrors, Problem
from policy.schema import json_schema
from redaction.detect import Detector

folder_argument = click.argument("folder", required=False, type=click.Path(path_type=Path))
folder_option = click.option("--folder", type=click.Path(path_type=Path), help="Policy folder; SLUICE_POLICIES else.")


@click.group(help="Check, test, compare and explain policy files.")
def policy() -> None:
    pass


@policy.command(
    help="""Check a policy folder (default: SLUICE_POLICIES) and print every problem with its place and what to do.

Exit code 0: it can be used; 1: it cannot. Made for pre-commit hooks and pull requests.

\b
Examples:
  sluice policy check
  sluice policy check ./policies --json
"""
)
@folder_argument
@json_option
def check(*, as_json: bool, folder: Path | None) -> None:
    report = check_folder(folder or settings_with().policies)
    click.echo(report.json() if as_json else report.text(), err=not (as_json or report.ok))
    raise SystemExit(0 if report.ok else 1)


@policy.command(
    help="""Run the tests of a policy folder (`tests/*.yaml`): given a call, what must come of it.

Exit code 0: all hold; 1: one does not, or the folder cannot be used. Nothing is stored or sent. Without `--names`
no names of people, places or organisations are found.

\b
Examples:
  sluice policy test
  sluice policy test ./policies --names
"""
)
@folder_argument
@click.option("--names", is_flag=True, help="Start the names model, as the gateway does.")
@json_option
def test(*, as_json: bool, names: bool, folder: Path | None) -> None:
    settings = settings_with()
    with _printed_problems():
        ran = asyncio.run(_test(folder or settings.policies, settings.upstream, names=names))
    if as_json:
        print_json({"tests": ran.count, "failed": [asdict(each) for each in ran.problems]})
    else:
        _print_problems(ran.problems)
        failed = f", {len(ran.problems)} expectations failed" if ran.problems else ""
        click.echo(f"{ran.count} tests{failed or ' hold'}.", err=bool(ran.problems))
    raise SystemExit(1 if ran.problems else 0)


@policy.command(
    "processing",
    help="""Write the record of processing activities (GDPR, Article 30) as far as the policy files know it.

\b
Examples:
  sluice policy processing > processing.md
  sluice policy processing ./policies --json
""",
)
@folder_argument
@json_option
def record_of_processing(*, as_json: bool, folder: Path | None) -> None:
    with _printed_problems():
        found = processing(load_tree(folder or settings_with().policies))
    if as_json:
        print_json({"activities": found, "to_add": TO_ADD})
    else:
        click.echo("\n".join(markdown(found)))


@policy.command(
    help="""Say in words what changed in a policy folder between two git revisions, or since one.

\b
Examples:
  sluice policy diff main
  sluice policy diff v1.2 v1.3 --markdown
  sluice policy diff origin/main --fail-on-looser
"""
)
@click.argument("old")
@click.argument("new", required=False)
@folder_option
@click.option("--markdown", is_flag=True, help="Print a list for a pull request.")
@click.option("--fail-on-looser", is_flag=True, help="Exit code 1 when a change loosens.")
@json_option
def diff(
    *, as_json: bool, fail_on_looser: bool, markdown: bool, folder: Path | None, old: str, new: str | None
) -> None:
    with _printed_problems():
        changes = diff_revisions(folder or settings_with().policies, old, new)
    if as_json:
        print_json([_plain(change) for change in changes])
    else:
        click.echo("\n".join(_lines(changes, markdown=markdown)))
    raise SystemExit(1 if fail_on_looser and any(change.tendency == "looser" for change in changes) else 0)


@policy.command(
    help="""Say which rule decides what about a call, with `file:line`.

CALL is the id of a recorded call (the recorder must run), or a JSON file: what `sluice calls show ID --json` prints,
or facts, labels and a model written by hand. The answer is about the folder as it is now.

\b
Examples:
  sluice policy explain call_01hv...
  echo '{"automation": "support-drafting", "labels": {"data_class": "health"}}' > call.json
  sluice policy explain call.json
"""
)
@click.argument("call")
@folder_option
@json_option
def explain(*, as_json: bool, folder: Path | None, call: str) -> None:
    record = questions.from_file(Path(call)) if Path(call).is_file() else questions.from_ledger(call)
    settings = settings_with()
    with _printed_problems():
        loaded = load_with_places(folder or settings.policies)
    asked = questions.priced(questions.question(record), loaded.snapshot, settings.upstream)
    reasons = explain_call(loaded, asked)
    if as_json:
        print_json([asdict(reason) for reason in reasons])
        return
    if note := questions.other_version(record, loaded.snapshot):
        click.echo(note, err=True)
    click.echo("\n".join(map(str, reasons)))


@policy.command(
    help="""Say what a candidate would have done to recorded calls: routes, cost, redactions, refusals, budget stops,
retention, by automation, with example calls, and what cannot be known from the records.

CANDIDATE is a policy folder or a git revision. Exit code 1 when a threshold is passed. Reads the running recorder, or
the ledger of one that is stopped.

\b
Examples:
  sluice policy replay ./policies --base origin/main --since 7d
  sluice policy replay my-branch --automation support-drafting --markdown --max-cost-increase 5%
"""
)
@click.argument("candidate")
@policy_replay.options
def replay(*, candidate: str, **given: Any) -> None:
    with _printed_problems():
        passed = policy_replay.run(candidate, **given)
    raise SystemExit(0 if passed else 1)


@policy.command(
    help="""Print the JSON Schema of policy files, for editors.

\b
Example:
  sluice policy schema > .vscode/sluice-policy.schema.json
"""
)
def schema() -> None:
    print_json(json_schema())


async def _test(folder: Path, upstream: str, *, names: bool) -> Any:
    if not names:
        return await run_cases(folder, _setting(upstream, None))
    async with detecting() as detector:
        return await run_cases(folder, _setting(upstream, detector))


def _setting(upstream: str, detector: Detector | None) -> Setting:
    return Setting(upstream, datetime.now(UTC), detector)


def _lines(changes: Sequence[Change], *, markdown: bool) -> Iterator[str]:
    if not changes:
        yield "No policy changes."
        return
    if markdown:
        yield "| change | |\n|---|---|"
    for change in changes:
        tendency = "" if change.tendency == "changed" else f"**{change.tendency}**"
        words = str(change).replace("|", "\\|").removesuffix(f" ({change.tendency})")
        yield f"| {words} | {tendency} |" if markdown else str(change)


def _plain(change: Change) -> dict[str, Any]:
    return {"policy": change.policy, "path": change.path, "tendency": change.tendency, "words": str(change)}


@contextmanager
def _printed_problems() -> Iterator[None]:
    """Print why a folder or revision cannot be used, and leave with exit code 1."""
    try:
        yield
    except PolicyErrors as error:
        _print_problems(error.problems)
        raise SystemExit(1) from error
    except RevisionError as error:
        raise Sentence(f"{str(error)[0].upper()}{str(error)[1:]}.") from error


def _print_problems(problems: Sequence[Problem]) -> None:
    for each in problems:
        click.echo(str(each), err=True)
