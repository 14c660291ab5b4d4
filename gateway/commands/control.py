"""What the commands on the control database share. Whoever can open its file is its operator."""

from datetime import UTC, datetime

import click

from gateway.commands.common import Decorated
from gateway.control.identity.tenants import DEFAULT_TENANT


def utc_text(time_us: int | None) -> str | None:
    """Return a time in UTC microseconds as ISO text to the second, or None."""
    if time_us is None:
        return None
    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def tenant_option(command: Decorated) -> Decorated:
    """Add `--tenant` to a command."""
    return click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="The tenant.")(command)
