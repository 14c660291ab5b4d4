"""`sluice calls`: recorded calls, as the recorder knows them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import unified_diff
from typing import Any, Final

import click
import orjson

from gateway.cli import Sentence
from gateway.commands.common import settings_with
from gateway.commands.moments import moment_us, utc_text
from gateway.commands.output import json_option, print_facts, print_json, print_table
from gateway.control.database import utc_now_us
from gateway.local_access import LocalAccess, NotReachedError
from gateway.wire import said
from metrics.client import RecorderClient, RecorderError

Row = Mapping[str, Any]
_COLUMNS: Final = (
    "TIME", "CALL", "AUTOMATION", "MODEL", "STATUS", "OUTCOME", "VERDICT", "IN", "OUT", "COST_USD", "MS", "ENTITIES"
)  # fmt: skip


@click.group(
    help="List recorded calls of the default tenant, or show one in full. Needs a running gateway and recorder."
)
def calls() -> None:
    pass


@calls.command(
    "list",
    help="""List calls, latest first.

Times are UTC: a span before now (90m, 2h, 7d), or a date or time (2026-01-31, 2026-01-31T12:00). A cost
of - is unknown.

\b
Examples:
  sluice calls list
  sluice calls list --since 2h --outcome refused
  sluice calls list --automation support-drafting --entity EMAIL_ADDRESS --json
""",
)
@click.option("--since", metavar="TIME", help="Calls from this time on.")
@click.option("--until", metavar="TIME", help="Calls before this time.")
@click.option("--automation", help="Calls of one automation.")
@click.option("--run", help="Calls of one run.")
@click.option("--verdict", help="pass, fallback, hold, block or escalate.")
@click.option("--outcome", help="ok, refused, error, interrupted, client_disconnected or truncated.")
@click.option("--model", help="Calls that asked for or were answered by a model.")
@click.option("--entity", help="Calls in which a kind of entity was found, such as EMAIL_ADDRESS.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def list_(*, as_json: bool, since: str | None, until: str | None, **filters: Any) -> None:
    now_us = utc_now_us()
    moments = {"since": since, "until": until}
    times = {name: moment_us(f"--{name}", text, now_us) for name, text in moments.items() if text is not None}
    rows = _ask("calls", **times, **filters)
    if as_json:
        print_json(rows)
        return
    print_table(_COLUMNS, [_line(row) for row in rows])


@calls.command(
    help="""Show one call in full: policy, attempts, cost, latency by stage, entities found.

\b
Examples:
  sluice calls show call_01hv...
  sluice calls show call_01hv... --json
"""
)
@click.argument("call_id")
@json_option
def show(*, as_json: bool, call_id: str) -> None:
    rows = _ask("call", call_id=call_id)
    if not rows:
        raise Sentence(f"There is no call {call_id}; calls appear here within about two seconds.")
    if as_json:
        print_json(rows[0])
        return
    print_facts({name: _readable(name, value) for name, value in rows[0].items() if value not in (None, [], "")})


@calls.command(
    help="""Show how a shadow's answer to a call differs from the answer that was given, both as they were recorded.

\b
Examples:
  sluice calls shadow call_01hv...
"""
)
@click.argument("call_id")
def shadow(*, call_id: str) -> None:
    client = _client()
    with _sentences():
        given, copied = (client.content(f"{call_id}.{suffix}").get("answer", "{}") for suffix in ("e", "s"))
    one, other = (
        [line for words in said.texts(orjson.loads(text)) for line in words.splitlines()] for text in (given, copied)
    )
    changes = unified_diff(one, other, "answer", "shadow", lineterm="", n=100)
    click.echo("\n".join(changes) or "Both say the same.")


def _ask(name: str, **params: Any) -> list[dict[str, Any]]:
    with _sentences():
        return list(_client().query(name, **params).dicts())


def _client() -> RecorderClient:
    access = LocalAccess(settings_with())
    return RecorderClient(access.recorder_url(), access.query_token)


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except NotReachedError as error:
        raise Sentence(str(error)) from error
    except RecorderError as error:
        raise Sentence(f"The recorder cannot say: {error}.") from error


def _line(row: Row) -> list[object]:
    """Return a call's cells; for a failed call the outcome is its error code."""
    named = [utc_text(row["ts_us"]), row["call_id"], row["automation"], _model(row), row["status"]]
    numbers = [row[name] for name in ("tokens_in", "tokens_out", "cost_usd", "total_ms", "entities")]
    return [*named, row["error_code"] or row["outcome"], row["verdict"], *numbers]


def _model(row: Row) -> str | None:
    model = row["model_answered"] or row["model_requested"]
    return f"{model} (simulated)" if row["simulated"] else model


def _readable(name: str, value: Any) -> Any:
    return utc_text(value) if name in {"ts_us", "end_us"} else value
