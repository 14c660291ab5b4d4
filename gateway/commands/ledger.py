"""`sluice ledger`: the ledger, which can always be made again from the journal."""

import time
from typing import Any

import click

from gateway.cli import Sentence
from gateway.commands.common import program, settings_with
from gateway.commands.output import json_option, print_json
from gateway.settings import as_environment

POLL_S = 0.1


@click.group(help="Make the ledger again from the journal.")
def ledger() -> None:
    pass


@ledger.command(
    help="""Make the ledger again from the journal, with every sequence number as it was.

Stop the recorder first. The old ledger is set aside beside the new one.

\b
Example:
  sluice ledger rebuild
"""
)
@json_option
def rebuild(*, as_json: bool) -> None:
    settings = settings_with()
    if not settings.data.is_dir():
        raise Sentence(f"There is no data folder {settings.data}.")
    module = program("metrics.record.recorder", extra="recorder")
    try:
        recorder = module.rebuild(settings.data, as_environment(settings))
    except module.RecorderRunningError as error:
        raise Sentence("A recorder is running on this data folder; stop it first.") from error
    try:
        recorder.start()
        status = _until_done(recorder)
    finally:
        recorder.close()
    _tell(status, as_json=as_json)


def _until_done(recorder: Any) -> dict[str, Any]:
    """Wait until every record is in the ledger."""
    while True:
        status: dict[str, Any] = recorder.status()
        if status["phase"] == "degraded":
            raise Sentence(f"The ledger cannot be made: {status['problem']}")
        if status["phase"] == "running" and status["behind_bytes"] == 0 and status["aggregated_seq"] == status["seq"]:
            return status
        time.sleep(POLL_S)


def _tell(status: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json({"seq": status["seq"], "missing": status["missing"], "damaged": status["damaged"]})
        return
    click.echo(f"The ledger was made again, up to sequence number {status['seq']}.")
    for sentence in status["missing"]:
        click.echo(f"Missing: {sentence}", err=True)
