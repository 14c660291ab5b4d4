"""`sluice recorder`: the recorder alone."""

import os
import signal
import sys

import click

from gateway.cli import Sentence
from gateway.commands.common import program, setting_option, settings_with
from gateway.logs import configure
from gateway.machine.ports import open_listener
from gateway.machine.processes import hold_lifeline, leave
from gateway.machine.running import make_data_folder
from gateway.machine.up import RECORDER_STOP_S
from gateway.settings import as_environment


@click.command(
    help="""Start the recorder alone: it reads the journal into the ledger and answers queries.

It needs the data folder in which the gateway writes, and the same master key.

\b
Examples:
  sluice recorder
  sluice recorder --host 0.0.0.0 --port 9001
"""
)
@setting_option("--host", "Address to listen on (SLUICE_HOST).")
@setting_option("--port", "Port to listen on (SLUICE_RECORDER_PORT).")
def recorder(host: str | None, port: str | None) -> None:
    settings = settings_with(host=host, recorder_port=port)
    hold_lifeline(os.environ, RECORDER_STOP_S)
    make_data_folder(settings)
    configure("recorder")
    main = program("metrics.main", extra="recorder")
    open_listener(settings, "recorder").close()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # an ordinary end: the ledger is closed on the way out
    try:
        main.run(settings.data, settings.host, settings.recorder_port, as_environment(settings))
    except main.RecorderRunningError as error:
        raise Sentence(f"{error} ({settings.data})") from error
    except SystemExit as end:
        if end.code:
            raise
    leave(0)  # else DuckDB's module tells the log, at length, that it was not taken apart
