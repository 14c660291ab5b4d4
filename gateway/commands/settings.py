"""`sluice settings`: every setting, its value and where it comes from."""

import os

import click

from gateway.commands.common import settings_with
from gateway.commands.output import json_option, print_json, print_table
from gateway.settings import SPECS, shown, unknown_names


@click.command(
    help="""Show every setting, its value and where it comes from.

The order is: command line, environment, sluice.toml (in the working directory, or the file named by SLUICE_CONFIG),
default. Secrets are shown as set or unset.

\b
Examples:
  sluice settings
  SLUICE_PORT=9000 sluice settings --json
"""
)
@json_option
def settings(*, as_json: bool) -> None:
    loaded = settings_with()
    if as_json:
        print_json({spec.name: {"value": shown(loaded, spec), "source": loaded.sources[spec.name]} for spec in SPECS})
        return
    rows = [(spec.name, shown(loaded, spec), loaded.sources[spec.name], spec.purpose) for spec in SPECS]
    print_table(("SETTING", "VALUE", "SOURCE", "PURPOSE"), rows)
    for name in unknown_names(os.environ):
        click.echo(f"Note: {name} is in the environment, but is not a setting.", err=True)
