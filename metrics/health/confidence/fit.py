"""From a stretch of audits to a certificate, or to what is still missing."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from metrics.health.confidence.calibrate import Flags, Floats, calibration_error, isotonic, reliability
from metrics.health.confidence.certify import Finding, Outlook, Plan, certify, outlook
from metrics.health.confidence.sample import Stretch
from policy.blocks_output import Certified
from policy.certificate import Bin, Calibration, Certificate, KeyBlock, Look, Sample, Test, Window
from policy.values import hash12

VALID_FOR = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class NotYet:
    """Why nothing can be certified now; `finding` is that of the last look, None before the first."""

    plan: Plan
    outcomes: int
    finding: Finding | None
    if_no_error: Outlook
    at_this_rate: Outlook


@dataclass(frozen=True, slots=True)
class Signature:
    """Who wants a certificate in force, from when and for how long."""

    by: str
    at: datetime
    valid_for: timedelta = VALID_FOR


def arrays(stretch: Stretch) -> tuple[Floats, Flags]:
    """Give scores and errors; what is not answered yet counts as an error, which can only cost coverage."""
    scores, errors = zip(*((each.score, each.error is not False) for each in stretch.audits), strict=True)
    return np.array(scores, dtype=float), np.array(errors, dtype=bool)


def plan_of(asked: Certified) -> Plan:
    """Read the plan from a policy."""
    return Plan(asked.alpha, asked.delta, tuple(sorted(set(asked.looks))))


def fit(stretch: Stretch, asked: Certified, signature: Signature) -> Certificate | NotYet:
    """Take the last look that the audits allow, and certify if it can be."""
    plan, (scores, errors) = plan_of(asked), arrays(stretch)
    reached = plan.reached(len(scores))
    finding = certify(scores, errors, plan, reached[-1]) if reached else None
    if finding is None or finding.threshold is None:
        outlooks = (outlook(scores, errors, plan, rate=rate) for rate in (False, True))
        return NotYet(plan, len(scores), finding, *outlooks)
    return _certificate(stretch, plan, finding, signature)


def calibration(stretch: Stretch, held: int, look: int) -> Calibration:
    """Fit the map on the oldest `held` audits and check it on those that follow, up to `look`."""
    scores, errors = arrays(stretch)
    correct = ~errors
    curve = isotonic(scores[:held], correct[:held])
    bins = reliability(curve, scores[held:look], correct[held:look])
    return Calibration(
        method="isotonic",
        scores=tuple(map(float, curve.scores)),
        probabilities=tuple(round(float(each), 4) for each in curve.probabilities),
        error=round(calibration_error(bins), 4),
        bins=tuple(
            Bin(
                low=round(b.low, 6),
                high=round(b.high, 6),
                n=b.n,
                predicted=round(b.predicted, 4),
                observed=round(b.observed, 4),
            )
            for b in bins
        ),
    )


def _certificate(stretch: Stretch, plan: Plan, finding: Finding, signature: Signature) -> Certificate:
    key, used = stretch.key, stretch.audits[: finding.look]
    assert finding.threshold is not None
    tests = [
        Test(threshold=t.threshold, passed=t.passed, errors=t.errors, p_value=float(f"{t.p_value:.6g}"))
        for t in finding.rejected
    ]
    mark = hash12([*key, stretch.window, finding.look, signature.at.isoformat()])[:6]
    return Certificate(
        certificate=f"{key.automation}-{signature.at:%Y-%m-%d}-{mark}",
        schema_=1,
        key=KeyBlock(**key._asdict()),
        alpha=plan.alpha,
        delta=plan.delta,
        window=Window(id=stretch.window, audit_rate=stretch.rate, since=_at(used[0].at_us), until=_at(used[-1].at_us)),
        sample=Sample(
            n=finding.look,
            errors=finding.errors,
            unanswered=sum(each.error is None for each in used),
            calibration=finding.calibration,
        ),
        look=Look(planned=plan.looks, used=plan.reached(finding.look), delta=finding.spent),
        threshold=finding.threshold,
        coverage=round(finding.coverage, 4),
        tests=tuple(tests),
        calibration=calibration(stretch, finding.calibration, finding.look),
        activated_by=signature.by,
        fitted_at=signature.at,
        expires=signature.at + signature.valid_for,
    )


def _at(us: int) -> datetime:
    return datetime.fromtimestamp(us // 1_000_000, UTC)
