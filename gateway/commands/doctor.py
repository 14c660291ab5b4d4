"""`sluice doctor`: what is unsafe here, and what to do about it."""

import os
from dataclasses import asdict
from typing import Any

import click

from gateway.cli import Sentence
from gateway.commands.common import settings_with
from gateway.commands.output import json_option, print_json
from gateway.control.database import open_database
from gateway.doctor.case import gather
from gateway.doctor.examine import examine, unsafe
from gateway.local_access import LocalAccess
from gateway.settings import Settings
from metrics.client import RecorderClient, RecorderError


@click.command(
    help="""Look for what is unsafe about this installation, and say what to do.

Exit code 0: nothing, or notes only; 1: something is unsafe; 2: it could not be examined. It changes nothing.

\b
Examples:
  sluice doctor
  sluice doctor --json
"""
)
@json_option
@click.pass_context
def doctor(context: click.Context, *, as_json: bool) -> None:
    settings = settings_with()
    if not settings.data.is_dir():
        raise Unexaminable(f"There is no data folder {settings.data}; start Sluice once, or set SLUICE_DATA.")
    database = open_database(settings.database_url)
    try:
        found = examine(gather(settings, database, _recorder(settings), os.environ))
    finally:
        database.close()
    if as_json:
        print_json({"unsafe": unsafe(found), "findings": [asdict(each) for each in found]})
    else:
        _tell([asdict(each) for each in found])
    context.exit(1 if unsafe(found) else 0)


def _recorder(settings: Settings) -> dict[str, Any] | None:
    try:
        return RecorderClient(LocalAccess(settings).recorder_url(), str).status()
    except RecorderError:
        return None


class Unexaminable(Sentence):
    """There is nothing to look at: exit code 2."""

    exit_code = 2


def _tell(found: list[dict[str, Any]]) -> None:
    for each in found:
        click.echo(f"{each['severity'].upper():<8} {each['code']}\n  {each['wrong']}\n  Do: {each['advice']}\n")
    if not found:
        click.echo("Nothing unsafe was found.")
