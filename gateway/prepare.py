"""Everything the gateway's processes rely on, made or checked once before they start.

Also a program (`python -m gateway.prepare`): `sluice gateway` runs it apart, so that its long-lived parent stays small.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gateway.control.database import Database, open_database
from gateway.control.errors import ControlError
from gateway.control.identity.bootstrap import bootstrap, write_local_token
from gateway.control.migrations import upgrade
from gateway.running import local_token_file, make_data_folder
from gateway.settings import Settings, SettingsError, load
from gateway.upstreams import check_upstreams, usable_policies


@contextmanager
def control_database(settings: Settings) -> Iterator[Database]:
    """Open the control database, created and brought up to date if need be.

    Raises:
        ControlError: it cannot be reached, or a newer version has written it.
        SettingsError: the data folder cannot be written.
    """
    make_data_folder(settings)
    database = open_database(settings.database_url)
    try:
        upgrade(database)
        bootstrap(database, settings.bootstrap_key)
        yield database
    finally:
        database.close()


def prepare(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Make the control database and the local token, check policies and providers; return what a person should know.

    Raises:
        ControlError, SettingsError: the gateway cannot work like this; the text says why.
    """
    with control_database(settings) as database:
        snapshot, warning = usable_policies(settings, database)
        upstream = check_upstreams(settings, snapshot.providers, environ)
        write_local_token(database, local_token_file(settings))
    return [upstream] if warning is None else [upstream, warning]


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
