"""`sluice subjects`: what is kept about a person, a copy of it, its erasure."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from gateway.cli import Sentence
from gateway.commands.common import Decorated, settings_with
from gateway.commands.control import tenant_option
from gateway.commands.moments import utc_text
from gateway.commands.output import json_option, print_facts, print_json, print_table
from gateway.control import erasures
from gateway.control.erasures import DONE, Erasure
from gateway.control.identity.roles import local_operator
from gateway.machine.ports import address
from gateway.machine.prepare import control_database
from gateway.machine.running import address_of
from gateway.routes.subjects import CANNOT, recorder_client, shown
from gateway.settings import Settings, as_environment
from gateway.trust.access_page import page
from gateway.trust.erasing import Eraser, local_stores
from gateway.trust.subjects import Found, Subjects, Wanted
from metrics.client import RecorderError
from metrics.proof.erasure import ErasureList
from metrics.record.journal import open_keystore

_PATIENCE_S = 60.0


def person_options(command: Decorated) -> Decorated:
    """Add whom a command is about."""
    for flag, purpose in (
        ("--kind", "Kind of the value, such as EMAIL_ADDRESS; looked for under all kinds if not given."),
        ("--value", "A value that stood in texts, such as an address."),
        ("--subject", "The id that calls carried in x-sluice-subject."),
    ):
        command = click.option(flag, help=purpose)(command)
    return tenant_option(command)


@click.group(
    help="""Find what is kept about a person, give them a copy, erase it.

Whoever may open the data folder may do all of it; every use leaves an event in the record.
"""
)
def subjects() -> None:
    pass


@subjects.command(
    help="""Say how much is kept about a person, without showing any of it.

\b
Examples:
  sluice subjects search --subject customer-4711
  sluice subjects search --value anna@example.com
"""
)
@person_options
@json_option
def search(*, subject: str | None, value: str | None, kind: str | None, tenant: str, as_json: bool) -> None:
    with _opened() as made:
        found = made.search(local_operator(tenant), Wanted(subject, value, kind))
    told = {**found.counts, "by_kind": found.by_kind}
    (print_json if as_json else print_facts)(told)
    if found.target.subject_refs and not as_json:
        click.echo("The records of a subject are not counted here: `sluice subjects export` copies them all.")


@subjects.command(
    help="""Write a copy of everything kept about a person: NAME.json for programs, NAME.html for the person.

Needs a running recorder. Look through it before you send it: texts found by a value may be about others, too.

\b
Example:
  sluice subjects export --subject customer-4711 --to anna
"""
)
@person_options
@click.option("--to", "name", type=click.Path(path_type=Path), required=True, help="Name of the two files.")
def export(*, subject: str | None, value: str | None, kind: str | None, tenant: str, name: Path) -> None:
    with _opened() as made:
        try:
            copy = made.export(local_operator(tenant), Wanted(subject, value, kind))
        except RecorderError as error:
            raise Sentence(f"The copy would not be whole: {error}.") from error
    for suffix, text in ((".json", json.dumps(copy, indent=2, ensure_ascii=False) + "\n"), (".html", page(copy))):
        file = name.with_name(name.name + suffix)
        file.write_text(text, "utf-8")
        file.chmod(0o600)
        click.echo(f"Wrote {file}: {len(copy['records'])} records, {len(copy['items'])} other texts.")


@subjects.command(
    help="""Erase what is kept about a person, and print the receipt. It cannot be undone.

With --subject everything about that subject goes; with --value the records and stored texts in which it was found. An
erasure that was interrupted is finished by the next one, or by the keeper.

\b
Examples:
  sluice subjects erase --subject customer-4711 --basis gdpr-17 --reference ticket-93
  sluice subjects erase --value anna@example.com --basis gdpr-17 --yes
"""
)
@person_options
@click.option("--basis", type=click.Choice(["gdpr-17", "ccpa", "contract", "other"]), required=True, help="Why.")
@click.option("--reference", help="Your own number for it, such as a ticket.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def erase(*, tenant: str, basis: str, reference: str | None, yes: bool, as_json: bool, **person: str | None) -> None:
    settings, by = settings_with(), local_operator(tenant)
    with _opened() as made:
        try:
            target = made.erasable(by, Wanted(**person))
        except RecorderError as error:
            raise Sentence(f"Whether a legal hold keeps this cannot be told: {error}.") from error
        counts = Found(target).counts
        if not yes and any(counts.values()):
            click.confirm(f"Erase {_words(counts)}?", abort=True)
        asked = erasures.request(made.database, by, target, basis, reference)
        stores = local_stores(made.database, made.keystore, settings.data)
        eraser = Eraser(made.database, stores, ErasureList(settings.data), "sluice subjects")
        done = _finished(made, eraser, asked)
    receipt = shown(done)
    print_json(receipt) if as_json else _print_receipt(receipt)


@subjects.command(
    help="""List erasures with what each store answered, the newest first.

\b
Example:
  sluice subjects receipts --json
"""
)
@tenant_option
@json_option
def receipts(*, tenant: str, as_json: bool) -> None:
    with control_database(settings_with()) as database:
        found = [shown(each) for each in erasures.listed(database, local_operator(tenant))]
    if as_json:
        print_json(found)
    else:
        print_table(("id", "state", "basis", "reference", "subjects", "records"), map(_line, found))


def _line(receipt: dict[str, Any]) -> tuple[object, ...]:
    sizes = len(receipt["subject_refs"]), len(receipt["event_ids"])
    return receipt["id"], receipt["state"], receipt["basis"], receipt["reference"] or "", *sizes


@contextmanager
def _opened() -> Iterator[Subjects]:
    settings = settings_with()
    if not settings.data.is_dir():
        raise Sentence(f"There is no data folder {settings.data}; set SLUICE_DATA to that of `sluice up`.")
    keystore, master = open_keystore(settings.data, as_environment(settings))
    try:
        with control_database(settings) as database:
            client = recorder_client(master, _recorder(settings), database.clock_us)
            yield Subjects(database, keystore, master, client)
    finally:
        keystore.close()


def _recorder(settings: Settings) -> str:
    return address_of(settings, "recorder") or address(settings, "recorder")


def _finished(
    made: Subjects, eraser: Eraser, asked: Erasure, monotonic: Callable[[], float] = time.monotonic
) -> Erasure:
    """Do it here, or wait for the keeper that is at it."""
    until = monotonic() + _PATIENCE_S
    while True:
        eraser.work()
        with made.database.read() as conn:
            now = erasures.find(conn, asked.tenant, asked.erasure_id)
        if now.state == DONE:
            return now
        if monotonic() > until:
            raise Sentence(f"{asked.erasure_id} is not done yet; the keeper goes on: `sluice subjects receipts`.")
        time.sleep(0.1)


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if name != "other_subjects")


def _print_receipt(receipt: dict[str, Any]) -> None:
    stores = receipt.pop("stores")
    for moment in ("requested_at", "done_at"):
        receipt[moment] = receipt[moment] and utc_text(receipt[moment] * 1_000_000)
    print_facts({name: value for name, value in receipt.items() if name not in {"object", "cannot_be_erased"}})
    rows = [(name, _words(ack["counts"]) or "nothing", ack["note"]) for name, ack in stores.items()]
    print_table(("store", "destroyed", "note"), rows)
    click.echo("Not erased: " + "; ".join(CANNOT) + ".")
