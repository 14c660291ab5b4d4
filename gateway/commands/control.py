"""The control database as a command on this machine uses it: whoever can open its file is its operator."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click

from gateway.commands.common import Decorated
from gateway.control.database import Database, open_database
from gateway.control.identity.bootstrap import bootstrap
from gateway.control.identity.tenants import DEFAULT_TENANT
from gateway.control.migrations import upgrade
from gateway.running import make_data_folder
from gateway.settings import Settings


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


def utc_text(time_us: int | None) -> str | None:
    """Return a time in UTC microseconds as ISO text to the second, or None."""
    if time_us is None:
        return None
    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def tenant_option(command: Decorated) -> Decorated:
    """Add `--tenant` to a command."""
    return click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="The tenant.")(command)


def sign_in_link(dashboard: str, token: str) -> str:
    """Return the address that signs a person in to the dashboard, once."""
    return f"{dashboard}/?login={token}"
