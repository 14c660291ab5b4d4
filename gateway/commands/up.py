"""`sluice up`: gateway, recorder, dashboard and worker on this machine."""

import asyncio
import contextlib
import logging
import os
from typing import Final

import click

from gateway.commands.common import setting_option, settings_with
from gateway.control.errors import ControlError
from gateway.logs import configure
from gateway.machine.ports import address, settle
from gateway.machine.prepare import control_database, prepare
from gateway.machine.running import log_file, make_data_folder, only_one, private, published
from gateway.machine.up import Part, Supervisor, parts
from gateway.machine.welcome import lines, open_ways
from gateway.setting_values import SettingsError
from gateway.settings import Settings

KEY_KNOWN_S: Final = 0.6  # workers look for new keys every 250 ms; what is shown must work at once
_log = logging.getLogger("gateway.machine.up")


@click.command(
    help="""Start gateway, recorder, dashboard and worker on this machine and keep them running.

Each part that ends unexpectedly is started again. Ctrl-C stops everything in order: calls in flight finish, then
everything is counted; a second Ctrl-C kills. Logs are in the folder `logs` of SLUICE_DATA.

\b
Examples:
  sluice up
  OPENAI_API_KEY=... sluice up --port 9000
  OPENAI_BASE_URL=http://127.0.0.1:11434/v1 sluice up --no-dashboard
"""
)
@click.option("--no-dashboard", is_flag=True, help="Run without the dashboard.")
@click.option("--no-worker", is_flag=True, help="Run without the automations' worker.")
@setting_option("--host", "Address to listen on (SLUICE_HOST).")
@setting_option("--port", "Port of the gateway (SLUICE_PORT).")
@setting_option("--recorder-port", "Port of the recorder (SLUICE_RECORDER_PORT).")
@setting_option("--dashboard-port", "Port of the dashboard (SLUICE_DASHBOARD_PORT).")
@setting_option("--worker-port", "Port of the automations' worker (SLUICE_WORKER_PORT).")
@setting_option("--workers", "Number of gateway worker processes (SLUICE_WORKERS).")
@setting_option("--upstream", "Name of the default provider (SLUICE_UPSTREAM).")
def up(*, no_dashboard: bool, no_worker: bool, **flags: str | None) -> None:
    wanted = settings_with(**flags)
    worker = not no_worker and any(file.parent.name != "flow" for file in wanted.automations.glob("*/automation.py"))
    names = ["gateway", "recorder"] + ["dashboard"] * (not no_dashboard) + ["worker"] * worker
    make_data_folder(wanted)
    with only_one(wanted), open(log_file(wanted.data, "up"), "a", encoding="utf-8", opener=private) as log:
        configure("up", log)
        settings, moved = settle(wanted, names)
        terminal = Speaker()
        for sentence in moved:
            terminal.say(sentence)
        for sentence in prepare(settings, os.environ):
            terminal.say(sentence)
        raise SystemExit(_supervise(settings, parts(settings, dashboard=not no_dashboard, worker=worker), terminal))


class Speaker:
    """The terminal and the log. A terminal that went away stops nothing."""

    def say(self, line: str) -> None:
        """Show a line and log it."""
        self.show(line)
        _log.info("%s", line)

    def show(self, line: str) -> None:
        """Show a line that may hold a secret; it is not logged."""
        with contextlib.suppress(OSError):
            click.echo(line)


def _supervise(settings: Settings, wanted: list[Part], terminal: Speaker) -> int:
    names = [part.name for part in wanted]
    dashboard = address(settings, "dashboard") if "dashboard" in names else None

    async def welcome() -> None:
        try:
            said = await asyncio.to_thread(shown)
            await asyncio.sleep(KEY_KNOWN_S)
            for line in said:
                terminal.show(line)
        except (ControlError, SettingsError) as error:
            terminal.say(f"All parts are ready, but no key and no sign-in link could be made: {error}")
        _log.info("all parts are ready")

    def shown() -> list[str]:
        with control_database(settings) as database:
            return list(lines(settings, names, open_ways(database, dashboard=dashboard)))

    async def run() -> int:
        return await Supervisor(settings, wanted, os.environ, terminal).run(welcome)

    terminal.say(f"Starting {', '.join(names)}; logs are in {settings.data / 'logs'}")
    with published(settings, {name: address(settings, name) for name in names}):
        return asyncio.run(run())
