"""`sluice audit`: verify the audit tree, prove single records, anchor checkpoints elsewhere."""

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from gateway.cli import Sentence
from gateway.commands.common import program, settings_with
from gateway.commands.output import json_option, print_json
from gateway.settings import Settings, as_environment


class Unverifiable(Sentence):
    """There is nothing to verify: no verdict about the records, exit code 2."""

    exit_code = 2


@click.group(
    help="""Prove that no record was changed, removed or added afterwards.

The recorder signs the state of the record every thousand records or thirty seconds. Anchors (SLUICE_ANCHORS) keep
copies of what it signed where nobody who can write the data folder can change them.
"""
)
def audit() -> None:
    pass


@audit.command(
    help="""Verify leaves, tree, checkpoints, journal and sealed content of the data folder.

Exit code 0: everything verifies; 1: something was changed, the first bad record is named; 2: nothing to verify.
With --ledger, row by row, that the ledger says what was recorded; the recorder must not be running.

\b
Examples:
  sluice audit verify
  sluice audit verify --anchor /mnt/other-disk/anchors
"""
)
@click.option("--anchor", "anchors", type=click.Path(path_type=Path), multiple=True, help="Copies of checkpoints.")
@click.option("--ledger", is_flag=True, help="Compare the ledger with the record, too.")
@json_option
@click.pass_context
def verify(context: click.Context, *, anchors: tuple[Path, ...], ledger: bool, as_json: bool) -> None:
    settings, offline = settings_with(), _proof("offline")
    try:
        report = offline.verify(settings.data, _signer(settings).key, anchors)
    except offline.UnverifiableError as error:
        raise Unverifiable(f"It could not be verified: {error}.") from error
    with _keystore(settings) as keystore:
        for seq, sentence in _proof("prove").content_problems(settings.data, keystore):
            report.found(seq, sentence)
    if ledger:
        _check_ledger(settings.data, report)
    if as_json:
        print_json(vars(report) | {"first_bad": report.first_bad})
    else:
        click.echo("\n".join(offline.sentences(report)))
    context.exit(1 if report.problems else 0)


@audit.command(
    help="""Print the proof that a call stands in the signed record; anybody can check it with the verifier.

\b
Example:
  sluice audit prove call_01hv... > proof.json
  python verify.pyz --proof proof.json --key "$(sluice audit key)"
"""
)
@click.argument("call_id")
def prove(call_id: str) -> None:
    settings, module = settings_with(), _proof("prove")
    try:
        print_json(module.prove(settings.data, _event_of(call_id), _signer(settings)).to_json())
    except (module.NotProvableError, OSError) as error:
        raise Sentence(f"{call_id} cannot be proved: {error}.") from error


@audit.command(
    help="""Print the verifier key: what others need to check our signatures. It is no secret.

\b
Example:
  sluice audit key > sluice.vkey
"""
)
def key() -> None:
    click.echo(_signer(settings_with()).key.text())


@audit.command(
    help="""Write the offline verifier into one file, for people who trust nobody's server.

\b
Example:
  sluice audit verifier verify.pyz
  python verify.pyz sluice-data --key KEY --anchor /mnt/other-disk/anchors
"""
)
@click.argument("file", type=click.Path(path_type=Path), default=Path("verify.pyz"))
def verifier(file: Path) -> None:
    file.write_bytes(_proof("pack").verifier())
    click.echo(f"Wrote {file}. It needs Python 3.11 or later and the package cryptography.")


@audit.command(
    help="""Bring the newest checkpoint to every place in SLUICE_ANCHORS now.

\b
Example:
  SLUICE_ANCHORS=folder:/mnt/other-disk/anchors sluice audit anchor
"""
)
def anchor() -> None:
    settings, module = settings_with(), _proof("anchor")
    places = module.anchors_of(settings.anchors or "", settings.data)
    if not places:
        raise Sentence(
            "No anchor is set. Set SLUICE_ANCHORS to places such as folder:PATH or git:REMOTE, separated by commas."
        )
    notes = list(_proof("store").TreeStore(settings.data / "audit", read_only=True).notes())
    if not notes:
        raise Sentence("There is no checkpoint yet: the recorder signs the first one within thirty seconds.")
    checkpoint = _signer(settings).key.open(notes[-1])
    for place in places:
        try:
            place.publish(checkpoint)
        except module.AnchorError as error:
            raise Sentence(f"It could not be anchored. {error}") from error
        click.echo(f"{place.name}: {checkpoint.size} records, {checkpoint.time}")


def _check_ledger(data: Path, report: Any) -> None:
    module = _proof("ledger_check")
    try:
        for seq, sentence in module.ledger_problems(data):
            report.found(seq, sentence)
    except module.LedgerUnreadableError as error:
        raise Unverifiable(f"The ledger could not be verified: {error}.") from error


def _proof(name: str) -> Any:
    return program(f"metrics.proof.{name}", extra="recorder")


def _signer(settings: Settings) -> Any:
    master = program("metrics.record.master", extra="recorder")
    there = settings.master_key or (settings.data / "keys" / "master.key").exists()
    if not there and not (settings.data / "journal").exists():
        raise Sentence(f"There is no master key in {settings.data}: nothing was recorded there yet.")
    return _proof("signer").Signer(master.master_key(settings.data, _environ(settings)))


def _keystore(settings: Settings) -> Any:
    return closing(
        program("metrics.record.journal", extra="recorder").open_keystore(settings.data, _environ(settings))[0]
    )


def _environ(settings: Settings) -> dict[str, str]:
    return {**os.environ, **as_environment(settings)}


def _event_of(call_id: str) -> str:
    return call_id if "." in call_id else f"{call_id}.e"
