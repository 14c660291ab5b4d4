"""Everything the gateway's processes rely on, made or checked once before they start.

Also a program (`python -m gateway.machine.prepare`): `sluice gateway` runs it apart, so that its long-lived parent
stays small.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from gateway.control import snapshots
from gateway.control.database import Database, open_database
from gateway.control.errors import Conflict, ControlError, ControlReadOnly, ControlUnavailable
from gateway.control.identity.bootstrap import bootstrap, write_local_token
from gateway.control.migrations import upgrade
from gateway.control.snapshots import Source
from gateway.machine.running import local_token_file, make_data_folder
from gateway.machine.upstreams import check_upstreams, usable_policies
from gateway.setting_values import SettingsError
from gateway.settings import Settings, load
from policy.snapshot import Snapshot

FIRST: Final = "start"  # who brought the very first policies in force; all others come by the keeper


@contextmanager
def control_database(settings: Settings) -> Iterator[Database]:
    """Open the control database, created and brought up to date if need be.

    Raises:
        ControlError: a newer version has written it.
        SettingsError: the data folder cannot be written, or the database cannot be reached.
    """
    make_data_folder(settings)
    database = open_database(settings.database_url)
    try:
        _ready(database, settings)
        yield database
    finally:
        database.close()


def _ready(database: Database, settings: Settings) -> None:
    try:
        upgrade(database)
        bootstrap(database, settings.bootstrap_key)
    except ControlReadOnly as error:
        raise SettingsError("SLUICE_DATABASE_URL", f"is {settings.database_url}. {error}") from error
    except ControlUnavailable as error:
        sentence = f"is {settings.database_url}, and that database cannot be reached or read; is it running?"
        raise SettingsError("SLUICE_DATABASE_URL", sentence) from error


def prepare(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Make the control database and the local token, check policies and providers; return what a person should know.

    Raises:
        ControlError, SettingsError: the gateway cannot work like this; the text says why.
    """
    with control_database(settings) as database:
        snapshot, warning = usable_policies(settings, database)
        upstream = check_upstreams(settings, snapshot.providers, environ)
        write_local_token(database, local_token_file(settings))
        _first_policies(database, snapshot)
    return [upstream] if warning is None else [upstream, warning]


def _first_policies(database: Database, snapshot: Snapshot) -> None:
    """Let workers of a new installation serve at once, without waiting for the keeper's first look."""
    with suppress(Conflict), database.write() as tx:  # another machine may have been faster
        if snapshots.active(tx.conn) is None:
            snapshots.activate(tx, snapshot.to_bytes(), Source(snapshot.git_commit, snapshot.dirty, FIRST), 0)


def main() -> int:
    """Prepare with this process's settings; what is wrong goes to standard error as a sentence."""
    try:
        prepare(load(os.environ, Path.cwd()), os.environ)
    except SettingsError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    except ControlError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
