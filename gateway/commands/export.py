"""`sluice export`: an evidence bundle, made by the recorder and fetched from it."""

import re
import time
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import Progress

from gateway.cli import Sentence
from gateway.commands.common import settings_with
from gateway.commands.moments import moment_us
from gateway.commands.output import json_option, print_json
from gateway.control.database import utc_now_us
from gateway.local_access import LocalAccess, NotReachedError
from metrics.client import RecorderClient, RecorderError

POLL_S: Final = 0.2
PROFILES: Final = ("soc2", "ai-act", "hipaa", "gdpr")


@click.command(
    help="""Write an evidence bundle: what led to each output of a range of time, and every other event of it.

The bundle is a zip of Parquet, JSON lines, CSV, a signed manifest, proofs and a page to read. The same range gives the
same bytes. It is made by the recorder, which goes on with it after a stop; asking again fetches what is there.

\b
Examples:
  sluice export --from 2026-10-01 --to 2026-11-01 --profile soc2
  sluice export --from 30d --automation triage --automation support --profile ai-act --out october.zip
"""
)
@click.option(
    "--from", "since", required=True, metavar="TIME", help="Beginning: a date or time, or a span such as 30d."
)
@click.option("--to", "until", metavar="TIME", help="End, which does not belong to it; now if not given.")
@click.option("--automation", "automations", multiple=True, help="Only this automation; may be given several times.")
@click.option("--profile", type=click.Choice(PROFILES), default="soc2", show_default=True, help="Whose questions.")
@click.option("--legal-basis", default="", help="Why it is made; stands in the bundle.")
@click.option("--time-zone", default="UTC", show_default=True, help="The reader's; all times in the files are UTC.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write.")
@json_option
def export(*, as_json: bool, since: str, until: str | None, out: Path | None, **more: Any) -> None:
    now_us = utc_now_us()
    times = {"since_us": moment_us("--from", since, now_us)}
    times["until_us"] = now_us if until is None else moment_us("--to", until, now_us)
    try:
        access = LocalAccess(settings_with())
        client = RecorderClient(access.recorder_url(), access.query_token, 60.0)
        job = _made(client, client.ask_export(times | more | {"automations": list(more["automations"])}))
        path = out or Path(f"{_name(since)}-{_name(until or 'now')}-{job['profile']}.zip")
        part = path.with_name(f"{path.name}.{job['id']}.part")
        client.fetch_bundle(job["id"], part)
        part.replace(path)
    except NotReachedError as error:
        raise Sentence(str(error)) from error
    except RecorderError as error:
        raise Sentence(f"The export was not made: {error}.") from error
    if as_json:
        print_json(job | {"file": str(path)})
    else:
        click.echo(f"{path}: {job['rows']:,} rows, {job['bytes']:,} bytes, manifest {job['manifest_sha256'][:12]}")


def _made(client: RecorderClient, job: dict[str, Any]) -> dict[str, Any]:
    """Wait until a bundle is made, showing how far it is."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("evidence bundle", total=None)
        while job["state"] != "done":
            progress.update(task, completed=job["rows"], total=job["of_rows"], description=job["problem"] or "rows")
            time.sleep(POLL_S)
            job = client.export(job["id"])
    return job


def _name(moment: str) -> str:
    return re.sub(r"[^\w-]+", "", moment)
