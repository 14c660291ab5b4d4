"""`sluice review`: the weekly review built, shown, and made again to see that its bytes are the same."""

import hashlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import orjson

from gateway.cli import Sentence
from gateway.commands.common import settings_with
from gateway.commands.control import tenant_option
from gateway.commands.output import print_table
from gateway.control import weekly
from gateway.control.database import Database
from gateway.control.errors import Conflict
from gateway.control.identity.roles import local_operator
from gateway.holds.agenda import AGENDA, texts_of
from gateway.keeper.weekly import ReviewBuilder
from gateway.local_access import LocalAccess, NotReachedError
from gateway.machine.prepare import control_database
from gateway.sealer import Sealer
from gateway.settings import Settings
from metrics.client import RecorderClient, RecorderError
from metrics.health.review.build import FORMAT
from metrics.health.review.faces import as_html, as_markdown
from metrics.record.master import master_key

_DRAWING: Final = re.compile(r"!\[([^\]]*)\]\(data:[^)]*\)")  # a terminal shows what it says instead
_PATIENCE_S: Final = 600.0
_FACES: Final[Mapping[str, Callable[..., str]]] = {"html": as_html, "markdown": as_markdown}
_FORMATS: Final = click.Choice([*_FACES, "json"])


@click.group(help="The weekly review: build it, show it, verify that it is the same when it is made again.")
def review() -> None:
    pass


@review.command(
    help="""Freeze the review of a week at the newest record, and keep its bytes.

Building it again makes a further revision; the earlier ones stay. Needs a running gateway and recorder.

\b
Examples:
  sluice review build 2026-W47
  sluice review build 2026-W47 --format html > review.html
"""
)
@click.argument("week")
@click.option("--format", "face", type=_FORMATS, help="Print it, too.")
@tenant_option
def build(week: str, face: str | None, tenant: str) -> None:
    settings = settings_with()
    with control_database(settings) as database, _recorder(settings) as client:
        revision = _wanted(database, tenant, week)
        with database.read() as conn:
            asked = weekly.frozen(conn, tenant, week, revision)
        ReviewBuilder(database, lambda _tenant, given: client.review(given), settings.time_zone).freeze(asked)
        with database.read() as conn:
            made = weekly.frozen(conn, tenant, week, revision)
        click.echo(f"{week}, revision {revision}: frozen at record {made.seq}, SHA-256 {made.sha256}", err=True)
        if face is not None:
            click.echo(_shown(settings, database, made, face), nl=False)


@review.command(
    help="""Print a frozen review as HTML, Markdown or JSON, with the actions and decisions as they are now.

\b
Examples:
  sluice review show 2026-W47 > review.md
  sluice review show 2026-W47 --revision 1 --format html --out review.html
"""
)
@click.argument("week")
@click.option("--revision", type=click.IntRange(min=1), help="An earlier one; the newest else.")
@click.option("--format", "face", type=_FORMATS, default="markdown", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write into this file.")
@tenant_option
def show(week: str, revision: int | None, face: str, out: Path | None, tenant: str) -> None:
    settings = settings_with()
    with control_database(settings) as database:
        text = _shown(settings, database, _frozen(database, tenant, week, revision), face)
    if out is None:
        click.echo(_DRAWING.sub(r"\1", text) if sys.stdout.isatty() else text, nl=False)
    else:
        out.write_text(text, "utf-8")


@review.command("list", help="List the frozen reviews.\n\nExample: sluice review list")
@tenant_option
def list_(tenant: str) -> None:
    with control_database(settings_with()) as database, database.read() as conn:
        found = weekly.weeks(conn, tenant)
    rows = [(each.week, str(each.revision), str(each.seq or "building"), each.sha256 or "") for each in found]
    print_table(("WEEK", "REVISION", "RECORD", "SHA-256"), rows)


@review.command(
    help="""Make a frozen review again from the records up to its own, and compare the bytes.

Exit code 1 when they differ. Takes as long as making the ledger again.

\b
Example:
  sluice review verify 2026-W47
"""
)
@click.argument("week")
@click.option("--revision", type=click.IntRange(min=1), help="An earlier one; the newest else.")
@tenant_option
def verify(week: str, revision: int | None, tenant: str) -> None:
    settings = settings_with()
    with control_database(settings) as database, _recorder(settings) as client:
        kept = _frozen(database, tenant, week, revision)
        document = orjson.loads(kept.content or b"{}")
        if document["format"] != FORMAT:
            raise Sentence(
                f"{week}, revision {kept.revision}: another version of Sluice froze it; verify it with that."
            )
        again = client.review({**document["inputs"], "at_seq": kept.seq})
    if hashlib.sha256(again).hexdigest() != kept.sha256 or again != kept.content:
        raise Sentence(f"{week}, revision {kept.revision}: made again up to record {kept.seq} it is another document.")
    click.echo(f"{week}, revision {kept.revision}: the same bytes again from records 1 to {kept.seq}, {kept.sha256}.")


def _wanted(database: Database, tenant: str, week: str) -> int:
    try:
        return weekly.want(database, local_operator(tenant), week)
    except Conflict:  # somebody asked for it already: this builds what they asked for
        with database.read() as conn:
            return weekly.frozen(conn, tenant, week).revision


def _frozen(database: Database, tenant: str, week: str, revision: int | None) -> weekly.Frozen:
    with database.read() as conn:
        found = weekly.frozen(conn, tenant, weekly.checked_week(week), revision)
    if found.content is None:
        raise Sentence(f"The review of {week} is being built; look again in a moment.")
    return found


def _shown(settings: Settings, database: Database, made: weekly.Frozen, face: str) -> str:
    content = made.content or b"{}"
    if face == "json":
        return content.decode() + "\n"
    sealer = Sealer(master_key(settings.data, _environ(settings)), AGENDA)
    with database.read() as conn:
        found = weekly.items(conn, made.tenant, made.week)
    items = [texts_of(database, sealer, item) for item in found]
    return _FACES[face](orjson.loads(content), made.sha256 or "", items)


def _environ(settings: Settings) -> dict[str, str]:
    return {} if settings.master_key is None else {"SLUICE_MASTER_KEY": settings.master_key}


@contextmanager
def _recorder(settings: Settings) -> Iterator[Any]:
    try:
        access = LocalAccess(settings)
        yield RecorderClient(access.recorder_url(), access.query_token, _PATIENCE_S)
    except (NotReachedError, RecorderError) as error:
        raise Sentence(str(error)) from error
