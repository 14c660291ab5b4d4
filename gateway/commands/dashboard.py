"""`sluice dashboard`: the dashboard alone."""

import os

import click

from gateway.commands.common import program, setting_option, settings_with
from gateway.machine.ports import address, open_listener
from gateway.machine.processes import hold_lifeline
from gateway.machine.up import DASHBOARD_STOP_S
from gateway.settings import as_environment


@click.command(
    help="""Start the dashboard alone. It reads through the gateway and the recorder, and stores nothing.

\b
Examples:
  sluice dashboard
  SLUICE_GATEWAY_URL=http://gateway:8080 SLUICE_RECORDER_URL=http://recorder:8081 sluice dashboard --host 0.0.0.0
"""
)
@setting_option("--host", "Address to listen on (SLUICE_HOST).")
@setting_option("--port", "Port of the dashboard (SLUICE_DASHBOARD_PORT).")
def dashboard(host: str | None, port: str | None) -> None:
    settings = settings_with(host=host, dashboard_port=port)
    hold_lifeline(os.environ, DASHBOARD_STOP_S)
    open_listener(settings, "dashboard").close()
    addresses = {
        "SLUICE_GATEWAY_URL": address(settings, "gateway"),
        "SLUICE_RECORDER_URL": address(settings, "recorder"),
        "SLUICE_WORKER_URL": address(settings, "worker"),
    }
    os.environ.update(as_environment(settings) | addresses)
    program("dashboard.server", extra="dashboard").main()
