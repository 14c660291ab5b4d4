"""`sluice keys`: API keys, made once and shown once."""

from dataclasses import asdict
from typing import Any

import click

from gateway.commands.common import settings_with
from gateway.commands.control import tenant_option
from gateway.commands.moments import span_us, utc_text
from gateway.commands.output import json_option, print_json, print_table
from gateway.control.database import utc_now_us
from gateway.control.identity.keys import KeyInfo, KeySpec, confirm_key, create_key, list_keys, revoke_key
from gateway.control.identity.roles import local_operator
from gateway.control.identity.tenants import ensure_tenant
from gateway.machine.prepare import control_database


@click.group(
    help="""Create, list and revoke API keys, directly in the control database of this machine's settings.

A key decides tenant, team, automation, environment and data class of every call made with it, and so its policy.
"""
)
def keys() -> None:
    pass


@keys.command(
    help="""Make an API key and print it, for the only time: it is stored as a hash.

\b
Examples:
  sluice keys create --name laptop
  sluice keys create --automation support-drafting --team support --environment production
  export OPENAI_API_KEY=$(sluice keys create --name ci --expires 30d)
"""
)
@click.option("--name", default="unnamed", show_default=True, help="What you call it.")
@click.option("--automation", default="default", show_default=True, help="The automation that will use it.")
@click.option("--team", help="The team it belongs to.")
@click.option("--environment", help="For example production or staging.")
@click.option("--data-class", help="For example health.")
@click.option("--owner", metavar="EMAIL", help="The user whose key it is: they do not approve what it asked for.")
@click.option("--expires", metavar="TIME", help="How long it works: 12h, 30d, 8w. Without it, until revoked.")
@tenant_option
@json_option
def create(*, as_json: bool, tenant: str, expires: str | None, **bound: Any) -> None:
    with control_database(settings_with()) as database:
        expires_us = None if expires is None else database.clock_us() + span_us("--expires", expires)
        if ensure_tenant(database, tenant):
            click.echo(f"The tenant {tenant} is new.", err=True)
        raw, info = create_key(database, tenant, KeySpec(**bound, expires_us=expires_us), local_operator(tenant))
    if as_json:
        print_json({"key": raw, **_shown(info)})
        return
    click.echo(raw)
    click.echo(f"Keep it: it is not shown again. Its id is {info.key_id}.", err=True)


@keys.command(
    "list",
    help="""List API keys, newest first: what each is bound to, and whether it still works.

\b
Examples:
  sluice keys list
  sluice keys list --json
""",
)
@tenant_option
@json_option
def list_(*, as_json: bool, tenant: str) -> None:
    with control_database(settings_with()) as database:
        found = [_shown(info) for info in list_keys(database, tenant, local_operator(tenant))]
    if as_json:
        print_json(found)
        return
    columns = (
        "key_id",
        "name",
        "hint",
        "state",
        "automation",
        "team",
        "environment",
        "data_class",
        "created",
        "expires",
    )
    print_table([column.upper() for column in columns], [[key[column] for column in columns] for key in found])


@keys.command(
    help="""Revoke an API key for ever. Every worker refuses it within a second.

\b
Example:
  sluice keys revoke key_4c1f0a...
"""
)
@click.argument("key_id")
@tenant_option
@json_option
def revoke(*, as_json: bool, key_id: str, tenant: str) -> None:
    with control_database(settings_with()) as database:
        info = revoke_key(database, tenant, key_id, local_operator(tenant))
    if as_json:
        print_json(_shown(info))
        return
    click.echo(f"Revoked {info.key_id} ({info.name}).")


@keys.command(
    help="""Let API keys work again that came back with a restored backup. Look first whether they were revoked since.

\b
Examples:
  sluice keys confirm key_4c1f0a...
  sluice keys confirm --all
"""
)
@click.argument("key_ids", nargs=-1)
@click.option("--all", "everyone", is_flag=True, help="All that wait.")
@tenant_option
def confirm(*, key_ids: tuple[str, ...], everyone: bool, tenant: str) -> None:
    if everyone == bool(key_ids):
        raise click.UsageError("Name keys, or say --all.")
    by = local_operator(tenant)
    with control_database(settings_with()) as database:
        waiting = [info.key_id for info in list_keys(database, tenant, by) if info.state(utc_now_us()) == "unconfirmed"]
        for key_id in key_ids or waiting:
            info = confirm_key(database, tenant, key_id, by)
            click.echo(f"Confirmed {info.key_id} ({info.name}).")


def _shown(info: KeyInfo) -> dict[str, Any]:
    times = {"created": utc_text(info.created_us), "expires": utc_text(info.expires_us)}
    said = {"key_id": info.key_id, "name": info.name, "hint": f"...{info.hint}", "state": info.state(utc_now_us())}
    whose = {"created_by": info.created_by, "owner": info.owner}
    return said | asdict(info.facts) | times | whose | {"revoked": utc_text(info.revoked_us)}
