"""`sluice confidence`: certificates fitted from audited outcomes, shown and explained."""

import getpass
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from gateway.cli import Sentence
from gateway.commands.ask import asking
from gateway.commands.common import settings_with
from gateway.commands.control import tenant_option
from gateway.commands.moments import moment_us, span_us
from gateway.commands.output import json_option, print_facts, print_json, print_table
from gateway.control.certificates import withdrawals
from gateway.control.database import utc_now_us
from gateway.machine.prepare import control_database
from gateway.policy_tools import certificates as told
from gateway.policy_tools.check import load_checked
from metrics.client import RecorderError
from metrics.health.confidence.fit import NotYet, Signature, fit
from metrics.health.confidence.sample import Stretch, stretches
from policy.certificate import Certificate
from policy.certified import asked_for
from policy.certified import state as state_of
from policy.problems import PolicyErrors
from policy.snapshot import Snapshot
from policy.values import dump

_REASONS = {
    "certified": "it passed: its score reached the threshold of the certificate",
    "below": "it did not pass: its score was below the threshold of the certificate",
    "absent": "it could not pass: there was no certificate for its automation, step, prompt, model, scorers and policy",
    "withdrawn": "it could not pass: the certificate had been withdrawn",
    "expired": "it could not pass: the certificate had expired",
    "weaker": "it could not pass: the certificate promises less than the policy asks",
}


@click.group(help="Certificates: which outputs pass without a person, under which guarantee.")
def confidence() -> None:
    pass


@dataclass(frozen=True, slots=True)
class _Fitting:
    """What the fits of one command share."""

    folder: Path
    snapshot: Snapshot
    signature: Signature
    dry_run: bool

    def take(self, stretch: Stretch) -> tuple[bool, list[str], dict[str, Any]]:
        """Fit one traffic: whether a certificate was made, what is said, and the same as values."""
        values: dict[str, Any] = {"key": stretch.key._asdict(), "window": stretch.window}
        values["outcomes"] = len(stretch.audits)
        asked = asked_for(self.snapshot, stretch.key)
        if asked is None:
            said = "no policy has these scorers and output-shaping parts now, so a certificate would be of no use"
            return False, [said], values
        present = self.snapshot.certificates.by_key.get(stretch.key)
        found = fit(stretch, asked[1], self.signature)
        if isinstance(found, NotYet):
            return False, list(told.not_yet(found)), values | _as_values(found)
        if present is not None and (present.window.id, present.sample.n) == (stretch.window, found.sample.n):
            return False, [f"certified already by {present.certificate}, from the same outcomes"], values
        return True, self._write(found, present), values | {"certificate": dump(found)}

    def _write(self, made: Certificate, present: Certificate | None) -> list[str]:
        lines = [told.says(made), *told.evidence(made)]
        if self.dry_run:
            return [*lines, "not written (--dry-run)"]
        file = told.write(self.folder, made, present)
        lines.append(f"written to {file}; in force once it is in the policy folder in use")
        return lines if present is None else [*lines, f"replaces {present.certificate}, which was removed"]


@confidence.command(
    "fit",
    help="""Fit certificates from the audited outcomes of an automation, one for each traffic that can be certified.

Alpha, delta and the looks are those of the policy. Exit code 1 when no certificate was made: the words say what is
still missing.

\b
Examples:
  sluice confidence fit support-drafting
  sluice confidence fit support-drafting --since 30d --valid 60d --by ana@example.com
""",
)
@click.argument("automation")
@click.option("--since", metavar="TIME", default="365d", show_default=True, help="Calls from this time on.")
@click.option("--metric", default="success", show_default=True, help="Metric of the outcomes.")
@click.option("--valid", metavar="SPAN", default="90d", show_default=True, help="Until it expires.")
@click.option("--by", help="Who wants it in force; your user name else.")
@click.option("--folder", type=click.Path(path_type=Path), help="Policy folder; SLUICE_POLICIES else.")
@click.option("--dry-run", is_flag=True, help="Write nothing.")
@tenant_option
@json_option
def fit_(automation: str, *, as_json: bool, tenant: str, **given: Any) -> None:
    now_us = utc_now_us()
    valid_for = timedelta(microseconds=span_us("--valid", given["valid"]))
    signature = Signature(given["by"] or getpass.getuser(), _moment(now_us), valid_for)
    folder = given["folder"] or settings_with().policies
    fitting = _Fitting(folder, _tree(folder), signature, given["dry_run"])
    since = moment_us("--since", given["since"], now_us)
    newest = _newest(_audited(tenant, automation=automation, since=since, metric=given["metric"]))
    if not newest:
        raise Sentence(f"No audited output of {automation} was judged under a `certified` band since {given['since']}.")
    results = [(stretch, *fitting.take(stretch)) for stretch in newest]
    if as_json:
        print_json([values | {"said": lines} for _, _, lines, values in results])
    else:
        for stretch, _, lines, _ in results:
            click.echo("\n  ".join([told.about(stretch.key), *lines]))
    click.get_current_context().exit(0 if any(made for _, made, _, _ in results) else 1)


@confidence.command(
    help="""Show the certificates of the policy folder, or one of them in full with its reliability diagram.

\b
Examples:
  sluice confidence show
  sluice confidence show support-drafting-2026-11-22-1f0c9a
""",
)
@click.argument("certificate", required=False)
@click.option("--folder", type=click.Path(path_type=Path), help="Policy folder; SLUICE_POLICIES else.")
@json_option
def show(*, certificate: str | None, folder: Path | None, as_json: bool) -> None:
    folder = folder or settings_with().policies
    snapshot = _tree(folder)
    held = {each.certificate: each for each in snapshot.certificates.by_key.values()}
    if certificate is not None and certificate not in held:
        raise Sentence(f"There is no certificate {certificate} in {folder}.")
    chosen = [held[certificate]] if certificate else list(held.values())
    standing = _standing(chosen, snapshot)
    if as_json:
        print_json([dump(c) | {"state": s, "withdrawn": g} for c, (s, g) in zip(chosen, standing, strict=True)])
    elif certificate:
        _print(chosen[0], standing[0][0] + _withdrawal(standing[0][1]))
    elif chosen:
        rows = [(c.certificate, s, c.threshold, c.coverage, c.alpha, c.sample.n, f"{c.expires:%Y-%m-%d}")
                for c, (s, _) in zip(chosen, standing, strict=True)]  # fmt: skip
        print_table(("CERTIFICATE", "STATE", "THRESHOLD", "COVERAGE", "ALPHA", "OUTCOMES", "EXPIRES"), rows)
    else:
        click.echo("There is no certificate. `sluice confidence fit AUTOMATION` makes one from audited outcomes.")


@confidence.command(
    help="""Explain why an output passed or did not, or what a certificate rests on.

\b
Examples:
  sluice confidence explain call_4c1f0a77
  sluice confidence explain support-drafting-2026-11-22-1f0c9a
""",
)
@click.argument("call_or_certificate")
@click.option("--folder", type=click.Path(path_type=Path), help="Policy folder; SLUICE_POLICIES else.")
@tenant_option
def explain(*, call_or_certificate: str, folder: Path | None, tenant: str) -> None:
    snapshot = _tree(folder or settings_with().policies)
    held = {each.certificate: each for each in snapshot.certificates.by_key.values()}
    if call_or_certificate in held:
        made = held[call_or_certificate]
        [(state, gone)] = _standing([made], snapshot)
        about = f"It was made for {told.about(made.of())}. State: {state}{_withdrawal(gone)}."
        click.echo("\n".join([told.says(made), about, *told.evidence(made)]))
        for test in made.tests:
            said = f"{test.errors} errors among {test.passed}, p = {test.p_value:.3g}"
            click.echo(f"  scores from {test.threshold:.4g} on: {said}")
        return
    try:
        with asking(settings_with(), tenant) as ask:
            row = next(iter(ask("call", call_id=call_or_certificate).dicts()), None)
    except RecorderError as error:
        raise Sentence(f"The recorder cannot say: {error}.") from error
    if row is None:
        raise Sentence(f"There is no call and no certificate {call_or_certificate}.")
    click.echo("\n".join(_why(row, held)))


def _why(row: Mapping[str, Any], held: Mapping[str, Certificate]) -> list[str]:
    detail = row["detail"]
    audit = (json.loads(detail) if isinstance(detail, str) else detail or {}).get("audit")
    if audit is None:
        verdict = f"Its verdict was {row['verdict']}." if row["verdict"] else "It has no verdict."
        return [f"This output was not judged under a `certified` band. {verdict}"]
    lines = [
        f"Score {row['confidence']:.4g}, verdict {row['verdict']}: {_REASONS.get(audit['reason'], audit['reason'])}."
    ]
    if audit["certificate"] is not None:
        made = held.get(audit["certificate"])
        lines.append(
            f"Certificate {audit['certificate']}: " + (told.says(made) if made else "no longer in the folder.")
        )
    if audit["probability"] is not None:
        lines.append(f"Outputs with this score are correct with a probability of about {audit['probability']:.0%}.")
    coin = "its coin fell on audit" if audit["drawn"] else "its coin did not fall on audit"
    return [*lines, f"Window {audit['window']}, audit rate {audit['rate']:g}: {coin}."]


def _standing(chosen: list[Certificate], snapshot: Snapshot) -> list[tuple[str, Mapping[str, Any] | None]]:
    """Say which certificates are in force, and of withdrawn ones by whom, when and why."""
    with control_database(settings_with()) as database, database.read() as conn:
        gone = withdrawals(conn)
    now = _moment(utc_now_us())
    return [(state_of(each, snapshot, gone, now), gone.get(each.certificate)) for each in chosen]


def _withdrawal(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    return f" by {found['withdrawn_by']} at {_moment(found['withdrawn_us']):%Y-%m-%d %H:%M}Z ({found['reason']})"


def _print(made: Certificate, state: str) -> None:
    click.echo(told.says(made))
    facts = {"state": state, "for": told.about(made.of()), "threshold": made.threshold, "coverage": made.coverage}
    facts |= {"alpha": made.alpha, "delta": made.delta, "wanted by": made.activated_by}
    print_facts({**facts, "fitted": f"{made.fitted_at:%Y-%m-%d %H:%M}Z", "expires": f"{made.expires:%Y-%m-%d %H:%M}Z"})
    click.echo("\n".join(told.evidence(made)))
    click.echo(f"\nReliability, calibration error {made.calibration.error:.3f}:")
    click.echo("\n".join(told.diagram(made.calibration.bins)))


def _as_values(found: NotYet) -> dict[str, Any]:
    outlooks = {"if_no_error": found.if_no_error, "at_this_rate": found.at_this_rate}
    return {"certificate": None} | {name: {"more": o.more, "look": o.look} for name, o in outlooks.items()}


def _newest(found: list[Stretch]) -> list[Stretch]:
    """Keep the window of each traffic that was audited last."""
    newest: dict[Any, Stretch] = {}
    for stretch in found:
        newest.setdefault(stretch.key, stretch)
    return list(newest.values())


def _audited(tenant: str, **given: Any) -> list[Stretch]:
    try:
        with asking(settings_with(), tenant) as ask:
            table = ask("audited", **given)
    except RecorderError as error:
        raise Sentence(f"The recorder cannot say: {error}.") from error
    if table.truncated:
        raise Sentence("There are more audits than the recorder gives at once; give a later --since.")
    return stretches(table.dicts(), tenant)


def _tree(folder: Path) -> Snapshot:
    try:
        return load_checked(folder)
    except PolicyErrors as error:
        raise Sentence(
            f"The policy folder has mistakes; `sluice policy check` lists them. First: {error.problems[0]}"
        ) from error


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us // 1_000_000, UTC)
