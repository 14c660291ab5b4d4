"""`sluice retention`: what is due, run it now, and legal holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from gateway.cli import Sentence
from gateway.commands.common import settings_with
from gateway.commands.control import tenant_option
from gateway.commands.output import json_option, print_facts, print_json, print_table
from gateway.control import legal_holds, retention_runs
from gateway.control.identity.roles import local_operator
from gateway.machine.ports import address
from gateway.machine.prepare import control_database
from gateway.machine.running import address_of
from gateway.routes.retention import scope, shown
from gateway.settings import as_environment
from gateway.trust.retaining import Retention, keeper_client
from metrics.client import RecorderError
from metrics.record.journal import open_keystore
from metrics.record.keystore import KeyStore
from metrics.record.segments import day_of

_COLUMNS = ("id", "reference", "subject_ref", "automation", "since", "until", "set_at", "lifted_at")


@click.group(
    help="""See and run what retention destroys, and keep things beyond it.

The gateway runs it once a day by itself; the policy files say how long what is kept.
"""
)
def retention() -> None:
    pass


@retention.command(
    help="""Say what a run would destroy now; nothing is changed. Needs a running recorder.

\b
Example:
  sluice retention plan
"""
)
@json_option
def plan(*, as_json: bool) -> None:
    with _opened() as (made, _):
        _say(_asked(made.plan), as_json=as_json)


@retention.command(
    help="""Destroy what is due now, as the gateway does once a day. Needs a running recorder.

\b
Example:
  sluice retention run
"""
)
@json_option
def run(*, as_json: bool) -> None:
    with _opened() as (made, _):
        day = day_of(made.database.clock_us())
        retention_runs.begin(made.database, day)
        outcome = _asked(made.run)
        retention_runs.finish(made.database, day, outcome)
        _say(outcome, as_json=as_json)


@retention.command(
    help="""List legal holds, those in force first.

\b
Example:
  sluice retention holds
"""
)
@tenant_option
@json_option
def holds(*, tenant: str, as_json: bool) -> None:
    with _opened() as (made, _):
        found = [shown(each) for each in legal_holds.listed(made.database, local_operator(tenant))]
    if as_json:
        print_json(found)
    else:
        print_table(_COLUMNS, ([each[name] or "" for name in _COLUMNS] for each in found))


@retention.command(
    help="""Keep everything about a subject, of an automation, or of a time, whatever retention and erasure say.

What is left out does not limit the hold. Times are ISO dates, in UTC.

\b
Examples:
  sluice retention hold case-17 --subject customer-4711
  sluice retention hold case-18 --automation triage --since 2026-01-01 --until 2026-04-01
"""
)
@click.argument("reference")
@click.option("--subject", help="The id that calls carried in x-sluice-subject.")
@click.option("--automation", help="Name of an automation.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="First day.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="First day that is not held any more.")
@tenant_option
def hold(*, reference: str, subject: str | None, automation: str | None, tenant: str, **times: datetime | None) -> None:
    since, until = (at.replace(tzinfo=UTC) if at else None for at in (times["since"], times["until"]))
    with _opened() as (made, keystore):
        about = scope(keystore, tenant, subject, automation, (since, until))
        done = legal_holds.set_hold(made.database, local_operator(tenant), about, reference)
    click.echo(f"{done.hold_id} is in force.")


@retention.command(
    help="""End a legal hold; what is due goes with the next run.

\b
Example:
  sluice retention lift lhd_4c1f...
"""
)
@click.argument("hold_id")
@tenant_option
def lift(hold_id: str, tenant: str) -> None:
    with _opened() as (made, _):
        legal_holds.lift(made.database, local_operator(tenant), hold_id)
    click.echo(f"{hold_id} is lifted.")


@contextmanager
def _opened() -> Iterator[tuple[Retention, KeyStore]]:
    settings = settings_with()
    if not settings.data.is_dir():
        raise Sentence(f"There is no data folder {settings.data}; set SLUICE_DATA to that of `sluice up`.")
    keystore, master = open_keystore(settings.data, as_environment(settings))
    url = address_of(settings, "recorder") or address(settings, "recorder")
    try:
        with control_database(settings) as database:
            yield Retention(database, keeper_client(master, url, database.clock_us)), keystore
    finally:
        keystore.close()


def _asked(act: Any) -> dict[str, Any]:
    try:
        outcome: dict[str, Any] = act()
    except RecorderError as error:
        raise Sentence(f"The recorder cannot do it: {error}.") from error
    return outcome


def _say(outcome: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(outcome)
        return
    keys = ", ".join(f"{count} of {name}" for name, count in outcome["keys"].items()) or "none"
    control = ", ".join(f"{count} {name}" for name, count in outcome["control"].items()) or "none"
    facts = {"day": outcome["day"], "keys of days": keys, "frames beside held ones": outcome["frames"]}
    facts |= {"records": outcome["records"], "subjects of whom nothing is left": outcome["subjects"]}
    print_facts(
        facts | {"rows of the control database": control, "held": outcome["held"], "waiting": outcome["waiting"]}
    )
