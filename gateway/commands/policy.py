"""`sluice policy`: what can be said about policy files without running anything."""

from dataclasses import asdict
from pathlib import Path

import click

from gateway.commands.common import settings_with
from gateway.commands.output import json_option, print_json
from policy.load import load_tree
from policy.problems import PolicyErrors, Problem
from policy.snapshot import Snapshot


@click.group(help="Check policy files.")
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
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@json_option
def check(*, as_json: bool, folder: Path | None) -> None:
    directory = folder or settings_with().policies
    try:
        snapshot = load_tree(directory)
    except PolicyErrors as error:
        _show_problems(error.problems, as_json=as_json)
        raise SystemExit(1) from error
    _show_snapshot(snapshot, as_json=as_json)


def _show_problems(problems: list[Problem], *, as_json: bool) -> None:
    if as_json:
        print_json({"usable": False, "problems": [asdict(problem) for problem in problems]})
        return
    for problem in problems:
        click.echo(str(problem), err=True)
    click.echo(f"{len(problems)} problem{'s' * (len(problems) > 1)}.", err=True)


def _show_snapshot(snapshot: Snapshot, *, as_json: bool) -> None:
    names = [entry.policy.policy for entry in snapshot.entries]
    if as_json:
        print_json({"usable": True, "sha256": snapshot.sha256, "policies": names, "problems": []})
        return
    click.echo(
        f"Good: {len(names)} polic{'y' if len(names) == 1 else 'ies'} ({', '.join(names)}), {snapshot.sha256[:12]}."
    )
