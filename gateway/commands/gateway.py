"""`sluice gateway`: the gateway alone."""

import asyncio
import os

import click

from gateway.commands.common import setting_option, settings_with
from gateway.logs import configure
from gateway.machine.parent import MARGIN_S, PREPARED, PREPARING, serve
from gateway.machine.processes import hold_lifeline, inherited_listener, leave


@click.command(
    help="""Start the gateway alone: worker processes on one socket, and a keeper.

Logs are JSON lines on standard error. It drains on SIGTERM or Ctrl-C: calls in flight get
SLUICE_GRACE_S seconds to finish.

\b
Examples:
  sluice gateway
  sluice gateway --host 0.0.0.0 --port 9000 --workers 4
"""
)
@setting_option("--host", "Address to listen on (SLUICE_HOST).")
@setting_option("--port", "Port to listen on (SLUICE_PORT).")
@setting_option("--workers", "Number of worker processes (SLUICE_WORKERS).")
def gateway(host: str | None, port: str | None, workers: str | None) -> None:
    settings = settings_with(host=host, port=port, workers=workers)
    supervised = hold_lifeline(os.environ, settings.grace_s + 2 * MARGIN_S)
    listener = inherited_listener(os.environ)
    configure("gateway")
    commands = PREPARED if supervised else PREPARING
    leave(asyncio.run(serve(settings, os.environ, commands, listener)))
