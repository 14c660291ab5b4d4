"""`sluice prices`: whether what is called has a price."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from gateway.cli import Sentence
from gateway.commands.ask import asking
from gateway.commands.common import settings_with
from gateway.commands.control import tenant_option
from gateway.commands.moments import moment_us, utc_text
from gateway.commands.output import json_option, print_json, print_table
from gateway.control.database import utc_now_us
from metrics.client import RecorderError
from policy.load import load_tree
from policy.prices import lacking
from policy.problems import PolicyErrors
from policy.snapshot import Snapshot
from policy.usage import BUCKETS, Usage


@click.group(help="Prices of models (prices.yaml).")
def prices() -> None:
    pass


@prices.command(
    help="""List the models that answered calls whose cost is not known, and whether prices.yaml knows them by now.

Exit code 1 when one still has no price, or none for its service tier or a kind of its tokens.
Past calls keep the cost that was recorded.

\b
Examples:
  sluice prices check
  sluice prices check --since 30d --json
"""
)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--since", metavar="TIME", default="30d", show_default=True, help="Calls from this time on.")
@tenant_option
@json_option
def check(*, as_json: bool, tenant: str, since: str, folder: Path | None) -> None:
    settings, now_us = settings_with(), utc_now_us()
    snapshot = _snapshot(folder or settings.policies)
    with asking(settings, tenant) as ask:
        try:
            found = list(ask("unpriced", since=moment_us("--since", since, now_us)).dicts())
        except RecorderError as error:
            raise Sentence(f"The recorder cannot say: {error}.") from error
    at = datetime.fromtimestamp(now_us / 1e6, UTC)
    rows = [{**row, "lacks": _lacks(snapshot, row, at)} for row in found]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(("PROVIDER", "MODEL", "TIER", "CALLS", "TOKENS", "LAST", "LACKS"), [_cells(row) for row in rows])
    else:
        click.echo("Every call has a price.")
    raise SystemExit(1 if any(row["lacks"] for row in rows) else 0)


def _lacks(snapshot: Snapshot, row: dict[str, Any], at: datetime) -> list[str]:
    place = (row["provider"] or "", row["model"] or "")
    return lacking(snapshot.prices, place, _usage(row), at, row["service_tier"])


def _usage(row: dict[str, Any]) -> Usage:
    return Usage(*(row[bucket] or 0 for bucket in BUCKETS))


def _cells(row: dict[str, Any]) -> list[object]:
    figures = [row[name] for name in ("provider", "model", "service_tier", "calls")]
    return [*figures, _usage(row).total_tokens, utc_text(row["last_ts_us"]), ", ".join(row["lacks"]) or "nothing now"]


def _snapshot(folder: Path) -> Snapshot:
    try:
        return load_tree(folder)
    except PolicyErrors as error:
        raise Sentence(f"The policies have {len(error.problems)} problems; see `sluice policy check`.") from error
