"""`sluice users`: people who sign in to the dashboard."""

from typing import Any

import click

from gateway.cli import Sentence
from gateway.commands.common import settings_with
from gateway.commands.control import tenant_option
from gateway.commands.moments import utc_text
from gateway.commands.output import json_option, print_json, print_table
from gateway.control.database import Database
from gateway.control.identity.login import LINK_S, create_link
from gateway.control.identity.names import normal_email
from gateway.control.identity.roles import ROLES, local_operator
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.identity.users import User, create_user, disable_user, list_users
from gateway.machine.ports import address
from gateway.machine.prepare import control_database
from gateway.machine.running import address_of
from gateway.machine.welcome import sign_in_link
from gateway.settings import Settings


@click.group(
    help="""Create, list and disable the people who sign in to the dashboard.

A person signs in with a one-time link first; it works once, for a quarter of an hour.
"""
)
def users() -> None:
    pass


@users.command(
    help="""Add a person and print a one-time sign-in link for them.

\b
Examples:
  sluice users create ann@example.com --role viewer
  sluice users create bob@example.com --role reviewer --role policy_owner
"""
)
@click.argument("email")
@click.option("--role", "roles", multiple=True, type=click.Choice(ROLES), default=("viewer",), show_default=True)
@tenant_option
@json_option
def create(*, as_json: bool, email: str, roles: tuple[str, ...], tenant: str) -> None:
    settings = settings_with()
    with control_database(settings) as database:
        if ensure_tenant(database, tenant):
            click.echo(f"The tenant {tenant} is new.", err=True)
        user = create_user(database, tenant, email, roles, local_operator(tenant))
        _print_link(settings, database, user, as_json=as_json)


@users.command(
    help="""Print a new one-time sign-in link for a person.

\b
Example:
  sluice users link ann@example.com
"""
)
@click.argument("email")
@tenant_option
@json_option
def link(*, as_json: bool, email: str, tenant: str) -> None:
    settings = settings_with()
    with control_database(settings) as database:
        _print_link(settings, database, _by_email(database, tenant, email), as_json=as_json)


@users.command(
    "list",
    help="""List the people who may sign in, and their roles.

\b
Example:
  sluice users list --json
""",
)
@tenant_option
@json_option
def list_(*, as_json: bool, tenant: str) -> None:
    with control_database(settings_with()) as database:
        found = [_shown(user) for user in list_users(database, tenant, local_operator(tenant))]
    if as_json:
        print_json(found)
        return
    rows = [(u["user_id"], u["email"], ", ".join(u["roles"]), u["created"], u["disabled"]) for u in found]
    print_table(("USER_ID", "EMAIL", "ROLES", "CREATED", "DISABLED"), rows)


@users.command(
    help="""Shut a person out at once: no sign-in, no session, no link.

\b
Example:
  sluice users disable ann@example.com
"""
)
@click.argument("email")
@tenant_option
def disable(*, email: str, tenant: str) -> None:
    with control_database(settings_with()) as database:
        user = _by_email(database, tenant, email)
        disable_user(database, tenant, user.user_id, local_operator(tenant))
    click.echo(f"Disabled {user.email}.")


def _by_email(database: Database, tenant: str, email: str) -> User:
    wanted = normal_email(email)
    for user in list_users(database, tenant, local_operator(tenant)):
        if user.email == wanted:
            return user
    raise Sentence(f"The tenant {tenant} has no user {wanted}.")


def _print_link(settings: Settings, database: Database, user: User, *, as_json: bool) -> None:
    token = create_link(database, user.tenant, user.user_id, local_operator(user.tenant))
    shown = sign_in_link(address_of(settings, "dashboard") or address(settings, "dashboard"), token)
    if as_json:
        print_json(_shown(user) | {"link": shown})
        return
    click.echo(shown)
    click.echo(f"Works once, within {LINK_S // 60} minutes.", err=True)


def _shown(user: User) -> dict[str, Any]:
    times = {"created": utc_text(user.created_us), "disabled": utc_text(user.disabled_us)}
    return {"user_id": user.user_id, "email": user.email, "roles": sorted(user.roles), **times}
