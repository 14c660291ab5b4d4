"""`sluice backup` and `sluice restore`: everything that cannot be made again, and its return."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gateway.cli import Sentence
from gateway.commands.common import program, settings_with
from gateway.commands.output import json_option, print_json
from gateway.machine.prepare import control_database
from gateway.settings import Settings, as_environment


@click.command(
    help="""Add a backup to FOLDER, while everything runs.

In it: control database, journal, order, audit tree, key store and policy files. Not in it: the ledger (it is made
again), and the master key. Keep that one elsewhere: without it a backup cannot be restored, and with it everything in
a backup can be read.

\b
Examples:
  sluice backup /mnt/backups
  sluice backup /mnt/backups --json
"""
)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@json_option
def backup(*, folder: Path, as_json: bool) -> None:
    settings, module = settings_with(), _room("making")
    master = _master(settings)
    with control_database(settings) as database:
        made = _done(lambda: module.backup(settings, database, master, folder))
    manifest = _room("manifest").read(made, master)
    said = {"backup": str(made), "records": manifest.records, "bytes": sum(size for size, _ in manifest.files.values())}
    if as_json:
        print_json(said)
        return
    click.echo(f"{made}: {said['records']} signed records, {said['bytes']:,} bytes.")
    click.echo(_WHERE_KEY[settings.is_set("SLUICE_MASTER_KEY")].format(settings.data), err=True)


@click.command(
    help="""Put a backup in place of what SLUICE_DATA and SLUICE_DATABASE_URL hold. Stop Sluice first.

FOLDER is a backup, or a folder of backups: then the newest is taken. It is verified to its last checkpoint before
anything is replaced; what was there is set aside in the data folder. Erasures made since are made again. API keys
that might have been revoked since wait until somebody confirms them: `sluice keys confirm`. Everybody signs in anew.

\b
Examples:
  sluice restore /mnt/backups
  sluice restore /mnt/backups/sluice-20260105T020000000000Z --erasures /mnt/backups/erasures.jsonl
  sluice restore --finish
"""
)
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--erasures", type=click.Path(path_type=Path), multiple=True, help="A newer erasure list.")
@click.option("--none-erased", is_flag=True, help="Nobody was erased after the backup was made.")
@click.option("--finish", is_flag=True, help="Finish a restore that was cut off.")
@json_option
def restore(*, folder: Path | None, erasures: tuple[Path, ...], none_erased: bool, finish: bool, as_json: bool) -> None:
    settings, module = settings_with(), _room("restoring")
    if finish == (folder is not None):
        raise click.UsageError("Name a backup, or say --finish.")
    if folder is None:
        said = _done(lambda: module.finish(settings))
    else:
        known, master = module.Known(erasures, none_erased), _master(settings)
        said = _done(lambda: module.restore(settings, master, folder, known))
    if as_json:
        print_json(said)
    else:
        _tell(said)


_WHERE_KEY = {
    False: "The master key is not in it: keep a copy of {}/keys/master.key where nobody has the backups.",
    True: "The master key (SLUICE_MASTER_KEY) is not in it.",
}


def _tell(said: dict[str, Any]) -> None:
    click.echo(f"Restored {said['backup']} of {said['made_at']}: {said['records']} signed records verify.")
    click.echo(f"Erased again: {said['erasures']} requests, {said['keys_destroyed_again'] or 0} content keys.")
    if said["keys_unconfirmed"]:
        click.echo(
            f"{said['keys_unconfirmed']} API keys wait: see `sluice keys list`, then `sluice keys confirm --all`."
        )
    if said["aside"]:
        click.echo(f"What was here before is in {said['aside']}; delete it once you need it no more.")
    click.echo("Start Sluice: the ledger is made again from the journal.")


def _done(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except _room("manifest").BackupError as error:
        raise Sentence(str(error)) from error


def _master(settings: Settings) -> Any:
    master = program("metrics.record.master", extra="recorder")
    if not settings.master_key and not (settings.data / "keys" / "master.key").exists():
        sentence = "set SLUICE_MASTER_KEY, or put the key file in its place"
        raise Sentence(f"There is no master key in {settings.data}/keys: {sentence}.")
    return master.master_key(settings.data, {**os.environ, **as_environment(settings)})


def _room(name: str) -> Any:
    return program(f"gateway.backup.{name}", extra="recorder")
