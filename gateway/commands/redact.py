"""`sluice redact`: what a policy does to a text."""

import asyncio
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click

from gateway.cli import Sentence
from gateway.commands.common import program, settings_with
from gateway.commands.detecting import detecting
from gateway.commands.output import json_option, print_json, print_table
from gateway.verify.echo import Upstream
from gateway.verify.product import Target, started
from gateway.verify.run import Report, VerifyError, summary, verify
from policy.load import load_tree
from policy.model import Policy
from policy.problems import PolicyErrors
from policy.snapshot import Snapshot
from redaction import placeholders
from redaction.redactor import Redactor
from redaction.types import Blocked, Cleared, Finding, RedactionFailed


class TextOrCommand(click.Group):
    """A group whose first argument may also be a file: then `text` is meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `text` before anything that is no command of the group."""
        return super().parse_args(ctx, args if args and args[0] in {*self.commands, "--help"} else ["text", *args])


@click.group(
    cls=TextOrCommand,
    help="""Show what a policy redacts, or prove that a gateway leaks nothing.

\b
Examples:
  echo "Write to ann@example.com" | sluice redact
  sluice redact letter.txt
  sluice redact verify
""",
)
def redact() -> None:
    pass


@redact.command(
    "text",
    help="""Show what a policy redacts in a text: the text as a model would see it, and each finding.

Reads a file, or standard input. Nothing is stored or sent. Placeholders differ from run to run.

\b
Examples:
  echo "Write to ann@example.com" | sluice redact
  sluice redact text --policy support-drafting letter.txt --json
  sluice redact text --dry-run letter.txt
""",
)
@click.argument("file", type=click.File("r", encoding="utf-8"), default="-")
@click.option("--policy", "name", default="default", show_default=True, help="Name of the policy.")
@click.option("--dry-run", is_flag=True, help="Leave the values in the text, and mark what would be redacted.")
@json_option
def text_(*, as_json: bool, dry_run: bool, name: str, file: Any) -> None:
    policy = _policy(name)
    try:
        text = file.read()
    except UnicodeDecodeError as error:
        raise Sentence(f"{file.name}: this is no text in UTF-8 (byte {error.start}).") from error
    try:
        cleared = asyncio.run(_clear(policy, text))
    except Blocked as error:
        raise Sentence(f"The policy {name} refuses this text: {error}.") from error
    except RedactionFailed as error:
        raise Sentence(f"This text could not be searched: {error}.") from error
    seen = cleared.body["text"]
    if as_json:
        print_json({"text": seen, "findings": [finding._asdict() for finding in cleared.findings]})
        return
    if dry_run:
        seen = _marked(text, cleared.findings)
    marked = placeholders.EXACTLY.sub(lambda mark: click.style(mark[0], fg="yellow", bold=True), seen)
    click.echo(marked, nl=not seen.endswith("\n"))
    _print_findings(cleared.findings)


@redact.command(
    "verify",
    help="""Prove that a policy holds: plant made-up values of every class and look for them everywhere.

Sends each value at every site, streamed and not, and searches what the upstream got, what the caller got,
journal, opened content, ledger, control database, traces and logs, raw and decoded. Starts gateway and
recorder for it, with the policy's redaction in an empty folder; with --base-url it goes through the gateway
that runs there, whose model --model must be at http://127.0.0.1:PORT/v1 of --upstream-port. Exit code 1
when a value, or a part of a long one, is found, or a call fails.

\b
Examples:
  sluice redact verify
  sluice redact verify --policy support-drafting --json
  SLUICE_API_KEY=sk-sluice-... sluice redact verify --base-url http://127.0.0.1:8080/v1 --upstream-port 9000
""",
)
@click.option("--policy", "name", default="default", show_default=True, help="Name of the policy.")
@click.option("--seed", type=int, help="Makes the same values again.")
@click.option("--base-url", help="A gateway that runs, its data folder in SLUICE_DATA; its key in SLUICE_API_KEY.")
@click.option("--upstream-port", type=click.IntRange(1, 65535), help="Port on which that gateway finds its model.")
@click.option("--model", default="verify/verify", show_default=True, help="That model, as a caller names it.")
@json_option
def verify_(*, as_json: bool, name: str, seed: int | None, **running: Any) -> None:
    policy = _policy(name)
    seed = secrets.randbits(32) if seed is None else seed
    with tempfile.TemporaryDirectory(prefix="sluice-verify-") as folder:
        product = _running(**running) or partial(started, policy, Path(folder))
        try:
            report = verify(policy, seed, product, running["upstream_port"] or 0)
        except TimeoutError as error:
            raise Sentence(f"{error}; see `sluice up` for the reason.") from error
        except VerifyError as error:
            raise Sentence(str(error)) from error
    rows = summary(report)
    if as_json:
        facts = {"left_alone": report.left_alone, "failed": report.failed, "not_searched": report.unseen}
        print_json({"clean": report.clean, "kinds": rows, **facts})
    else:
        _print_report(report, rows)
    raise SystemExit(0 if report.clean else 1)


def _running(
    base_url: str | None, upstream_port: int | None, model: str
) -> Callable[[Upstream], AbstractContextManager[Target]] | None:
    """Give the product that the flags name, None when they name none."""
    if base_url is None:
        return None
    key = os.environ.get("SLUICE_API_KEY")
    if upstream_port is None or not key:
        raise Sentence("--base-url needs --upstream-port, and a key of that gateway in SLUICE_API_KEY.")
    target = Target(base_url.rstrip("/"), key, model, settings_with().data)
    return lambda _: nullcontext(target)


def _print_report(report: Report, rows: Sequence[Mapping[str, Any]]) -> None:
    print_table(("KIND", "PLANTED", "LEAKED", "RESTORED", "WHERE"), [tuple(row.values()) for row in rows])
    click.echo()
    if report.left_alone:
        click.echo(f"The policy does not act on: {', '.join(report.left_alone)}.")
    for failure in sorted(set(report.failed)):
        click.echo(f"Not answered: {failure}.")
    if report.unseen:
        click.echo(f"Nothing to search in: {', '.join(report.unseen)}.")
    planted = len(report.planted)
    click.echo(f"{planted} values planted, {len({one.value for one, _ in report.leaks})} leaked.")


def _policy(name: str) -> Policy:
    snapshot = _snapshot()
    if name not in snapshot.policies:
        raise Sentence(f"There is no policy {name!r}; there is: {', '.join(sorted(snapshot.policies))}.")
    return snapshot.policies[name]


def _snapshot() -> Snapshot:
    try:
        return load_tree(settings_with().policies)
    except PolicyErrors as error:
        raise Sentence(f"The policies have {len(error.problems)} problems; see `sluice policy check`.") from error


def _marked(text: str, findings: Sequence[Finding]) -> str:
    """Return the text with every value still in place, coloured and followed by its kind."""
    found = [(each.kind, each.start, each.end, each.score) for each in findings if each.action != "keep"]
    operators = {kind: partial(_mark, kind) for kind, *_ in found}
    return str(program("redaction.presidio.anonymize", extra="presidio").Anonymizer(operators).apply(text, found))


def _mark(kind: str, value: str) -> str:
    return click.style(value, fg="red", bold=True) + click.style(f"<{kind}>", fg="yellow")


async def _clear(policy: Policy, text: str) -> Cleared:
    rules = policy.redaction
    async with detecting(rules.presidio, needed=rules.names != "off" or bool(rules.presidio)) as detector:
        return await Redactor(rules, secrets.token_bytes(32), detector).clear_text(text)


def _print_findings(findings: tuple[Finding, ...]) -> None:
    if findings:
        click.echo()
        rows = [(f.kind, f.start, f.end, f"{f.score:.2f}", f.action, f.recognizer) for f in findings]
        print_table(("KIND", "START", "END", "SCORE", "ACTION", "RECOGNIZER"), rows)
