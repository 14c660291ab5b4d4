"""`python -m gateway.keeper`: the keeper's process, started by `sluice gateway` beside its workers."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from gateway.control.database import open_database
from gateway.control.errors import ControlError
from gateway.keeper.activator import Activator
from gateway.keeper.duties import Keeper
from gateway.keeper.reconcile import Reconciler
from gateway.keeper.relay import Relay
from gateway.keeper.tenure import Tenure, alone, holder_name
from gateway.logs import configure
from gateway.parent import MARGIN_S, stop_signals
from gateway.processes import hold_lifeline
from gateway.settings import Settings, SettingsError, load
from metrics.record.journal import FileJournal, open_keystore, writer_id
from metrics.record.master import MasterKeyError


async def keep(settings: Settings, environ: Mapping[str, str]) -> None:
    """Be this machine's keeper until SIGTERM or SIGINT."""
    stop = stop_signals()
    lock = await alone(settings.data, stop)
    if lock is None:
        return
    database = open_database(settings.database_url)
    keystore, _master = open_keystore(settings.data, environ)
    journal = FileJournal(settings.data, writer_id("keeper"), keystore)
    tenure = Tenure(database, holder_name(settings.data))
    try:
        activator, relay = Activator(database, settings.policies), Relay(database, journal)
        await Keeper(database, tenure, activator, relay, Reconciler(database, settings.data)).keep(stop)
    finally:
        await journal.close()
        database.close()
        os.close(lock)


def main() -> int:
    """Run with this process's settings; what is wrong with them goes to standard error as a sentence."""
    try:
        settings = load(os.environ, Path.cwd())
        hold_lifeline(os.environ, settings.grace_s + MARGIN_S)
        configure("keeper")
        asyncio.run(keep(settings, os.environ))
    except (SettingsError, MasterKeyError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    except ControlError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
