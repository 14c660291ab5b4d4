"""`sluice policy replay`: what a candidate policy would have done to recorded calls."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from gateway.cli import Sentence
from gateway.commands.ask import asking
from gateway.commands.common import settings_with
from gateway.commands.control import tenant_option
from gateway.commands.moments import moment_us
from gateway.commands.output import json_option, print_json
from gateway.control.database import Note, utc_now_us
from gateway.machine.prepare import control_database
from gateway.policy_tools.replay_base import Trees, cuts, needs_run, needs_size
from gateway.policy_tools.replay_report import Report, judge, markdown, saved, text
from gateway.policy_tools.replay_spend import stops
from gateway.policy_tools.revisions import at_revision
from metrics.client import RecorderError
from metrics.health.replay import Ask, Span, groups, spending
from policy.load import load_tree
from policy.snapshot import Snapshot

_REVISION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")


class Thresholds(NamedTuple):
    """What a report may say at most; None: anything."""

    cost_increase: float | None
    refusals: int | None
    changed: float | None

    def passed(self, report: Report) -> bool:
        """Say whether a report stays below all of them."""
        share = report.changed / report.calls if report.calls else 0.0
        pairs = ((self.cost_increase, report.cost_increase), (self.refusals, report.refusals), (self.changed, share))
        return all(limit is None or found <= limit for limit, found in pairs)


class Share(click.ParamType[float]):
    """A share such as `5%` or `0.05`."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        words = str(value).strip()
        try:
            return float(words.removesuffix("%")) / (100 if words.endswith("%") else 1)
        except ValueError:
            self.fail("must be a share such as 5% or 0.05", param, ctx)


def options(command: Any) -> Any:
    """Add the options of a replay."""
    for option in reversed(
        (
            click.option("--since", metavar="TIME", default="7d", show_default=True, help="Calls from this time on."),
            click.option("--until", metavar="TIME", help="Calls before this time."),
            click.option("--automation", help="Calls of one automation."),
            click.option("--base", help="Folder or revision to compare with; the folder in use else."),
            click.option("--folder", type=click.Path(path_type=Path), help="Policy folder; SLUICE_POLICIES else."),
            click.option("--markdown", "as_markdown", is_flag=True, help="Print a report for a pull request."),
            click.option(
                "--max-cost-increase", type=Share(), help="Exit code 1 when calls would cost more, such as 5%."
            ),
            click.option("--max-refusals", type=int, help="Exit code 1 when more answered calls would be refused."),
            click.option("--max-changed", type=Share(), help="Exit code 1 when a larger share would go otherwise."),
            click.option("--save", is_flag=True, help="Keep the result in the record; the dashboard shows it."),
            tenant_option,
            json_option,
        )
    ):
        command = option(command)
    return command


def run(candidate: str, *, as_json: bool, as_markdown: bool, tenant: str, **given: Any) -> bool:
    """Replay, print the report, and say whether it stays below the thresholds.

    Raises:
        PolicyErrors, RevisionError: a folder cannot be used.
    """
    settings, now_us = settings_with(), utc_now_us()
    until = now_us if given["until"] is None else moment_us("--until", given["until"], now_us)
    folder = given["folder"] or settings.policies
    with ExitStack() as stack:
        trees = Trees(
            stack.enter_context(_tree(folder, candidate)),
            stack.enter_context(_tree(folder, given["base"])),
            settings.upstream,
        )
        by_size, by_run = needs_size(trees.candidate), needs_run(trees.candidate)
        since = moment_us("--since", given["since"], now_us)
        ask = stack.enter_context(asking(settings, tenant))
        report = replayed(trees, ask, Span(since, until, given["automation"], by_size, by_run, cuts(trees.candidate)))
    if as_json:
        print_json(report.as_dict())
    else:
        click.echo("\n".join(markdown(report) if as_markdown else text(report)))
    if given["save"]:
        with control_database(settings) as database, database.write() as tx:
            revision = candidate if _REVISION.fullmatch(candidate) else None
            tx.record(Note("policy.replayed", tenant, "cli", saved(report, revision)))
    return Thresholds(given["max_cost_increase"], given["max_refusals"], given["max_changed"]).passed(report)


def replayed(trees: Trees, ask: Ask, span: Span) -> Report:
    """Replay the calls of a span."""
    try:
        report = judge(trees, groups(ask, span))
        factors = {name: part.factor for name, part in report.parts.items()}
        if any(policy.budget for policy in trees.candidate.policies.values()):
            report.stops.extend(stops(trees.candidate, trees.base, spending(ask, span), factors))
    except RecorderError as error:
        raise Sentence(f"The recorder cannot say: {error}.") from error
    return report


@contextmanager
def _tree(folder: Path, name: str | None) -> Iterator[Snapshot]:
    """Load a folder, or a policy folder as it was at a revision."""
    if name is None or Path(name).is_dir():
        yield load_tree(folder if name is None else Path(name))
        return
    with at_revision(folder, name) as copy:
        yield load_tree(copy)
