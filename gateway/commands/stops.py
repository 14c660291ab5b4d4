"""`sluice stop` and `sluice start`: an automation's emergency brake, directly in the control database."""

import click

from gateway.cli import Sentence
from gateway.commands.common import settings_with
from gateway.commands.control import tenant_option
from gateway.control.identity.keys import list_keys
from gateway.control.identity.roles import local_operator
from gateway.control.stops import start as lift
from gateway.control.stops import stop as set_stop
from gateway.machine.prepare import control_database


@click.command(
    help="""Stop an automation: within a second every answer is held for review, and live streams end with an error.

Undo it with `sluice start AUTOMATION`.

\b
Examples:
  sluice stop support-drafting
  sluice stop support-drafting --tenant acme
"""
)
@click.argument("automation")
@tenant_option
def stop(automation: str, tenant: str) -> None:
    with control_database(settings_with()) as database:
        by = local_operator(tenant)
        changed = set_stop(database, by, automation)
        known = any(key.facts.automation == automation for key in list_keys(database, tenant, by))
    click.echo(f"{automation} is stopped: its answers are held." if changed else f"{automation} was stopped already.")
    if not known:
        click.echo(f"No key is bound to {automation}; is this its name? `sluice keys list` shows them.", err=True)


@click.command(
    help="""Let a stopped automation run again; answers that are held stay held.

\b
Example:
  sluice start support-drafting
"""
)
@click.argument("automation")
@tenant_option
def start(automation: str, tenant: str) -> None:
    with control_database(settings_with()) as database:
        if not lift(database, local_operator(tenant), automation):
            raise Sentence(f"{automation} is not stopped.")
    click.echo(f"{automation} runs again.")
