"""`sluice redact`: what a policy does to a text."""

import asyncio
import secrets
from dataclasses import asdict
from typing import Any

import click

from gateway.cli import Sentence
from gateway.commands.common import settings_with
from gateway.commands.output import json_option, print_json, print_table
from policy.load import load_tree
from policy.model import Policy
from policy.problems import PolicyErrors
from policy.snapshot import Snapshot
from redaction.presidio.detectors import Detectors
from redaction.redactor import Redactor
from redaction.types import Blocked, Cleared, Finding, RedactionFailed

READY_S = 30.0
POLL_S = 0.05


@click.command(
    help="""Show what a policy redacts in a text: the text as a model would see it, and each finding.

Reads a file, or standard input. Nothing is stored or sent. Placeholders differ from run to run.

\b
Examples:
  echo "Write to ann@example.com" | sluice redact
  sluice redact --policy support-drafting letter.txt --json
"""
)
@click.argument("file", type=click.File("r", encoding="utf-8"), default="-")
@click.option("--policy", "name", default="default", show_default=True, help="Name of the policy.")
@json_option
def redact(*, as_json: bool, name: str, file: Any) -> None:
    policy = _policy(name)
    text = file.read()
    try:
        cleared = asyncio.run(_clear(policy, text))
    except Blocked as error:
        raise Sentence(f"The policy {name} refuses this text: {error}.") from error
    except RedactionFailed as error:
        raise Sentence(f"This text could not be searched: {error}.") from error
    seen = cleared.body["text"]
    if as_json:
        print_json({"text": seen, "findings": [asdict(finding) for finding in cleared.findings]})
        return
    click.echo(seen, nl=not seen.endswith("\n"))
    _print_findings(cleared.findings)


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


async def _clear(policy: Policy, text: str) -> Cleared:
    rules = policy.redaction
    detectors = Detectors(1)
    try:
        detector = detectors.detector(rules.presidio)
        if rules.names != "off" or rules.presidio:
            await _started(detectors)
        redactor = Redactor(rules, secrets.token_bytes(32), detector)
        return await redactor.clear_text(text)
    finally:
        await detectors.close()


async def _started(detectors: Detectors) -> None:
    detectors.start()
    for _ in range(int(READY_S / POLL_S)):
        if detectors.ready():
            return
        await asyncio.sleep(POLL_S)
    raise Sentence(f"The detector processes did not start within {READY_S:g} s.")


def _print_findings(findings: tuple[Finding, ...]) -> None:
    if findings:
        click.echo()
        rows = [(f.kind, f.start, f.end, f"{f.score:.2f}", f.action, f.recognizer) for f in findings]
        print_table(("KIND", "START", "END", "SCORE", "ACTION", "RECOGNIZER"), rows)
