"""`sluice worker`: the program that runs automations from the queue."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import click

from gateway.cli import Sentence
from gateway.commands.common import program, setting_option, settings_with
from gateway.commands.control import tenant_option
from gateway.control.database import Database
from gateway.control.identity import tokens
from gateway.control.identity.keys import WORKER_KEY, KeySpec, create_key, list_keys
from gateway.control.identity.roles import local_operator
from gateway.logs import configure
from gateway.machine.ports import address, open_listener
from gateway.machine.prepare import control_database
from gateway.machine.processes import hold_lifeline
from gateway.machine.running import make_data_folder, private
from gateway.machine.up import WORKER_STOP_S
from gateway.settings import Settings
from policy.load import load_tree
from policy.problems import PolicyErrors

KEYS_FILE: Final = "worker.keys"


@click.command(
    help="""Start the worker alone: it runs the automations in SLUICE_AUTOMATIONS from the queue.

It reaches the gateway over HTTP. API keys come from SLUICE_WORKER_KEYS, or are made in the control database at the
first start and kept in the data folder. With PostgreSQL (SLUICE_QUEUE_URL) any number of workers share one queue.

\b
Examples:
  sluice worker
  SLUICE_QUEUE_URL=postgresql://sluice@db/sluice sluice worker --port 8083
"""
)
@setting_option("--host", "Address to listen on (SLUICE_HOST).")
@setting_option("--port", "Port to listen on (SLUICE_WORKER_PORT).")
@tenant_option
def worker(host: str | None, port: str | None, tenant: str) -> None:
    settings = settings_with(host=host, worker_port=port)
    hold_lifeline(os.environ, WORKER_STOP_S)
    make_data_folder(settings)
    configure("worker")
    main = program("automations.worker.main", extra="automations")
    try:
        automations = main.load_automations(settings.automations)
    except main.CannotLoad as error:
        raise Sentence(str(error)) from error
    if not automations:
        raise Sentence(f"There is no automation in {settings.automations}; SLUICE_AUTOMATIONS names their folder.")
    keys = given_keys(settings.worker_keys) or own_keys(settings, tenant, automations)
    options = main.Options(
        settings.queue_url, address(settings, "gateway"), keys, settings.worker_slots, settings.worker_lease_s
    )
    os.nice(settings.worker_nice)  # live calls go first where gateway and worker share a machine
    main.run(options, automations, open_listener(settings, "worker"))


def given_keys(text: str | None) -> dict[str, str]:
    """Read keys as they stand in the setting."""
    pairs = (pair.partition("=") for pair in (text or "").split(",") if pair)
    return {name: key for name, _, key in pairs}


def own_keys(settings: Settings, tenant: str, automations: Iterable[str]) -> dict[str, str]:
    """Return a key for each automation: from the data folder, or made now and kept there."""
    file = settings.data / KEYS_FILE
    kept = _kept(file)
    with control_database(settings) as database:
        usable = _active(database, tenant)
        keys = {name: kept.get(name, "") for name in automations}
        missing = [name for name, key in keys.items() if tokens.hint(key) not in usable.get(name, ())]
        teams = _teams(settings) if missing else {}
        for name in missing:
            spec = KeySpec(automation=name, team=teams.get(name), name=WORKER_KEY)
            keys[name], _ = create_key(database, tenant, spec, local_operator(tenant))
    if missing:
        new = file.with_suffix(".new")
        with open(new, "w", encoding="utf-8", opener=private) as out:
            json.dump({**kept, **keys}, out)
        new.replace(file)
    return keys


def _kept(file: Path) -> dict[str, str]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return dict(found)


def _active(database: Database, tenant: str) -> Mapping[str, set[str]]:
    """Return how the usable keys of each automation end."""
    found: dict[str, set[str]] = {}
    for key in list_keys(database, tenant, local_operator(tenant)):
        if key.state(database.clock_us()) == "active" and key.facts.automation:
            found.setdefault(key.facts.automation, set()).add(key.hint)
    return found


def _teams(settings: Settings) -> dict[str, str | None]:
    """Return the automations' teams as the registry has them; a broken policy folder has none."""
    try:
        return {name: each.team for name, each in load_tree(settings.policies).automations.items()}
    except PolicyErrors:
        return {}
