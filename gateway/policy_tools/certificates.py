"""Certificates and policies together: who asks for them, which files hold them, and what they say in words."""

from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML

from metrics.health.confidence.certify import Outlook
from metrics.health.confidence.fit import NotYet
from policy.certificate import Bin, Certificate, CertificateKey
from policy.load import CERTIFICATES
from policy.values import dump

_WIDTH = 30


def write(folder: Path, made: Certificate, replaced: Certificate | None) -> Path:
    """Write a certificate into a policy folder, in place of the one it replaces; return the file."""
    text = StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.width = None, 120
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(dump(made), text)
    target = folder / CERTIFICATES / f"{made.certificate}.yaml"
    target.parent.mkdir(exist_ok=True)
    target.write_text(f"# {says(made)}\n{text.getvalue()}", "utf-8")
    target.chmod(0o644)  # a file of the repository, which other users' programs read
    if replaced is not None and replaced.certificate != made.certificate:
        (folder / CERTIFICATES / f"{replaced.certificate}.yaml").unlink(missing_ok=True)
    return target


def about(key: CertificateKey) -> str:
    """Name a traffic."""
    parts = {"automation": key.automation, "step": key.step, "prompt": key.prompt, "model": key.model}
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value is not None)


def says(made: Certificate) -> str:
    """Say what a certificate promises."""
    return (
        f"Outputs scoring at least {made.threshold:.4g} pass: with probability {1 - made.delta:.0%}, at most "
        f"{made.alpha:.1%} of them are wrong."
    )


def evidence(made: Certificate) -> Iterator[str]:
    """Say what a certificate rests on."""
    sample, last = made.sample, made.tests[-1]
    yield (
        f"{sample.n} audited outcomes from {made.window.since:%Y-%m-%d} to {made.window.until:%Y-%m-%d} "
        f"(audit rate {made.window.audit_rate:g}), {sample.errors} errors"
        + (f", {sample.unanswered} of them audits without an answer" if sample.unanswered else "")
    )
    yield f"the {sample.calibration} oldest calibrate, {sample.n - sample.calibration} certify"
    yield (
        f"{last.passed} of these would have passed ({made.coverage:.0%}), with {last.errors} errors; "
        f"p = {last.p_value:.3g}, {made.look.delta:.3g} allowed"
    )
    yield f"looks used: {', '.join(map(str, made.look.used))} of {', '.join(map(str, made.look.planned))}"


def not_yet(found: NotYet) -> Iterator[str]:
    """Say why nothing can be certified, and what it takes."""
    if found.finding is None:
        yield f"not certifiable yet: {found.outcomes} audited outcomes, the first look is at {min(found.plan.looks)}"
    else:
        failed = found.finding.failed
        yield f"not certifiable yet at the look of {found.finding.look} outcomes ({found.finding.errors} errors)"
        if failed is not None:
            yield (
                f"tested first: scores from {failed.threshold:.4g} on, {failed.errors} errors among {failed.passed}; "
                f"p = {failed.p_value:.3g}, {found.finding.spent:.3g} allowed"
            )
    have = found.outcomes
    yield f"if no further error comes: {_outlook(found.if_no_error, have)}"
    yield f"at the present error rate: {_outlook(found.at_this_rate, have)}"


def _outlook(seen: Outlook, have: int) -> str:
    if seen.more is None:
        return "not in reach; the score does not tell right from wrong well enough"
    if seen.look is None:
        return f"at least {seen.more:,} more outcomes, and a later look than those planned (after {have:,})"
    return f"at the look of {seen.look:,}, {seen.look - have:,} outcomes from now (at least {seen.more:,} are needed)"


def diagram(bins: Sequence[Bin]) -> Iterator[str]:
    """Draw a reliability diagram: one line for each bin, `#` what was observed, `|` what was predicted."""
    yield f"{'score':<15}{'n':>5}  {'predicted':>9} {'observed':>9}"
    for each in bins:
        bar = ["#"] * round(each.observed * _WIDTH) + [" "] * (_WIDTH - round(each.observed * _WIDTH) + 1)
        bar[round(each.predicted * _WIDTH)] = "|"
        span = f"{each.low:.3f}..{each.high:.3f}"
        yield f"{span:<15}{each.n:>5}  {each.predicted:>9.3f} {each.observed:>9.3f}  {''.join(bar).rstrip()}"
