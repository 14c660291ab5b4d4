"""`sluice runs`: the queue of the automations, through the worker."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click

from gateway.cli import Sentence
from gateway.commands.common import settings_with
from gateway.commands.moments import utc_text
from gateway.commands.output import json_option, print_facts, print_json, print_table
from gateway.local_access import LocalAccess, NotReachedError

_COLUMNS = ("run_id", "automation", "state", "step_name", "attempts", "cause", "created_us", "ended_us")
_STATES = ("queued", "running", "held", "done", "dead", "cancelled", "discarded", "erased")


@click.group(
    help="""List, show, replay, allow and cancel runs of automations, through the worker of this machine's settings.

A run in the state `dead` is a dead letter: it waits until somebody replays or discards it.
"""
)
def runs() -> None:
    pass


@runs.command(
    "list",
    help="""List runs, the newest first.

\b
Examples:
  sluice runs list
  sluice runs list --dead --automation support-drafting
  sluice runs list --state held --json
""",
)
@click.option("--state", type=click.Choice(_STATES), help="Only runs in this state.")
@click.option("--dead", is_flag=True, help="Only dead letters: the same as --state dead.")
@click.option("--automation", help="Only this automation's.")
@click.option("--cause", help="Only those that failed for this cause.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@json_option
def list_(*, as_json: bool, dead: bool, state: str | None, **wanted: Any) -> None:
    given = {**wanted, "state": "dead" if dead else state}
    query = urlencode({name: value for name, value in given.items() if value is not None})
    found = _ask("GET", f"/runs?{query}")["data"]
    if as_json:
        print_json(found)
        return
    print_table(_COLUMNS, [[_cell(name, row[name]) for name in _COLUMNS] for row in found])
    if len(found) == wanted["limit"]:
        click.echo(f"The newest {len(found)}; --limit shows more, --dead the dead letters.", err=True)


@runs.command(
    help="""Show a run: where it stands, its steps and its effects on the outside.

With --content also what it was given and what its steps gave; that it was read is recorded.

\b
Examples:
  sluice runs show run_...
  sluice runs show run_... --content > letter.json
"""
)
@click.argument("run_id")
@click.option("--content", is_flag=True, help="With its texts, as JSON.")
@json_option
def show(*, run_id: str, content: bool, as_json: bool) -> None:
    found = _ask("GET", f"{_path(run_id)}/content" if content else _path(run_id))
    if as_json or content:
        print_json(found)
        return
    print_facts({name: _cell(name, value) for name, value in found.items() if not isinstance(value, list)})
    for effect in found["actions"]:
        click.echo(f"action {effect['name']}: {effect['state']}  {effect['action_key']}")


@runs.command(
    help="""Begin dead letters again: one, or all of an automation or a cause.

With --input the one gets another input from a JSON file; its business key stays the same.

\b
Examples:
  sluice runs retry run_...
  sluice runs retry run_... --input fixed.json
  sluice runs retry --automation inbound-triage --cause timeout
"""
)
@click.argument("run_id", required=False)
@click.option("--input", "file", type=click.Path(path_type=Path, exists=True), help="JSON file with another input.")
@click.option("--automation", help="All dead letters of this automation.")
@click.option("--cause", help="All dead letters of this cause.")
def retry(run_id: str | None, file: Path | None, automation: str | None, cause: str | None) -> None:
    if run_id is not None:
        _ask("POST", f"{_path(run_id)}/replay", {"input": None if file is None else _input(file)})
        click.echo(f"{run_id} runs again.")
        return
    if automation is None and cause is None:
        raise Sentence("Name a run, or --automation or --cause for all of their dead letters.")
    found = _ask("POST", "/replays", {"automation": automation, "cause": cause})
    click.echo(f"{len(found['replayed'])} run again.")
    for name, why in found["refused"].items():
        click.echo(f"{name}: {why}", err=True)


@runs.command(
    help="""Put a dead letter away for good.

\b
Example:
  sluice runs discard run_... --reason "sent by hand"
"""
)
@click.argument("run_id")
@click.option("--reason", required=True, help="Why; it is kept sealed in the record.")
def discard(run_id: str, reason: str) -> None:
    _ask("POST", f"{_path(run_id)}/discard", {"reason": reason})
    click.echo(f"{run_id} is put away.")


@runs.command(
    help="""End a run that is not done; a step that is under way ends first.

\b
Example:
  sluice runs cancel run_...
"""
)
@click.argument("run_id")
def cancel(run_id: str) -> None:
    _ask("POST", f"{_path(run_id)}/cancel")
    click.echo(f"{run_id} is cancelled.")


@runs.command(
    help="""Allow the action that a held run waits for.

\b
Example:
  sluice runs approve run_...
"""
)
@click.argument("run_id")
def approve(run_id: str) -> None:
    _ask("POST", f"{_path(run_id)}/approve")
    click.echo(f"{run_id} goes on.")


@runs.command(
    help="""Refuse the action that a held run waits for; the run ends.

\b
Example:
  sluice runs reject run_...
"""
)
@click.argument("run_id")
def reject(run_id: str) -> None:
    _ask("POST", f"{_path(run_id)}/reject")
    click.echo(f"{run_id} ends without its action.")


@runs.command(
    help="""Say whether an action happened of which nobody knew how it ended (cause effect_unknown).

\b
Examples:
  sluice runs resolve run_... --happened
  sluice runs resolve run_... --repeat
"""
)
@click.argument("run_id")
@click.option("--happened/--repeat", required=True, help="It happened; or it did not, and is done again.")
@click.option("--output", type=click.Path(path_type=Path, exists=True), help="JSON file: what it gave to later steps.")
def resolve(*, run_id: str, happened: bool, output: Path | None) -> None:
    _ask("POST", f"{_path(run_id)}/resolve", {"happened": happened, "output": _input(output) if output else None})
    click.echo(f"{run_id} goes on{'' if happened else ', and does it again'}.")


@runs.command(
    help="""Say which passages the search of a run should have found, so that retrieval can be measured.

The ids are those of the knowledge base: the article's name, a dot, the number of the passage.

\b
Example:
  sluice runs gold run_... returns.2 shipping.1
"""
)
@click.argument("run_id")
@click.argument("ids", nargs=-1, required=True)
def gold(run_id: str, ids: tuple[str, ...]) -> None:
    _ask("POST", f"{_path(run_id)}/gold", {"ids": list(ids)})
    click.echo(f"{run_id}: {len(ids)} wanted passages are recorded.")


@runs.command(
    help="""Show how the queue stands: depth by automation and state, age, events that wait for the gateway.

\b
Example:
  sluice runs queue
"""
)
@json_option
def queue(*, as_json: bool) -> None:
    found = _ask("GET", "/queue")
    if as_json:
        print_json(found)
        return
    print_facts({name: value for name, value in found.items() if not isinstance(value, (dict, list))})
    rows = [(name, state, n) for name, states in found["automations"].items() for state, n in states.items()]
    print_table(("automation", "state", "runs"), rows)
    for each in found["sources"]:
        click.echo(f"{each['automation']} takes nothing from its {each['source']}: {each['why']}.")


@runs.command(
    help="""Start runs of an automation from a JSON file: one input, or a list of them.

\b
Example:
  sluice runs start inbound-triage mail.json
"""
)
@click.argument("automation")
@click.argument("file", type=click.Path(path_type=Path, exists=True))
def start(automation: str, file: Path) -> None:
    given = _input(file)
    path = f"/queue/{quote(automation, safe='')}"
    for each in _ask("POST", path, {"inputs": given if isinstance(given, list) else [given]})["data"]:
        click.echo(f"{each['run']}{'' if each['new'] else '  (there already)'}")


def _ask(method: str, path: str, body: Any = None) -> dict[str, Any]:
    try:
        return LocalAccess(settings_with()).worker(method, path, {} if body is None and method == "POST" else body)
    except NotReachedError as error:
        raise Sentence(str(error)) from error


def _path(run_id: str) -> str:
    return f"/runs/{quote(run_id, safe='')}"


def _input(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise Sentence(f"{file} is not JSON.") from error


def _cell(name: str, value: Any) -> Any:
    if name.endswith("_us") and value is not None:
        return utc_text(value)
    return json.dumps(value) if isinstance(value, Mapping) else value
