"""What the commands on the control database share. Whoever can open its file is its operator."""

import click

from gateway.commands.common import Decorated
from gateway.control.identity.tenants import DEFAULT_TENANT


def tenant_option(command: Decorated) -> Decorated:
    """Add `--tenant` to a command."""
    return click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="The tenant.")(command)
