"""`sluice policy`: what can be said about policy files without running anything."""

from pathlib import Path

import click

from gateway.commands.common import settings_with
from gateway.commands.output import json_option
from gateway.policy_tools.check import check as check_folder


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
    report = check_folder(folder or settings_with().policies)
    click.echo(report.json() if as_json else report.text(), err=not (as_json or report.ok))
    raise SystemExit(0 if report.ok else 1)
