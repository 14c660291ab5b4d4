"""Judging an output: from a score to a verdict, pure."""

import math
from dataclasses import dataclass
from datetime import timedelta

from policy.blocks_output import Band, Confidence, Hold
from policy.values import Verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """What happens to an output, and what would happen if every rule were enforced."""

    verdict: Verdict
    would: Verdict
    rule: str
    template: str | None = None
    queue: str | None = None
    deadline: timedelta | None = None


_EXHAUSTED = Judgement("block", "block", "escalated")


def judge(
    confidence: Confidence | None,
    hold: Hold | None,
    score: float | None,
    threshold: float | None = None,
    *,
    escalated: bool = False,
) -> Judgement:
    """Judge an output by its score.

    A policy without a `confidence` block passes everything. `threshold` is the one of the certificate in force; without
    one a `certified` band is never reached. No score: the block's `unscored` verdict. `escalated`: a better model was
    asked already, so bands that would ask one are passed over, and what is left at the end is blocked.
    """
    if confidence is None:
        return Judgement("pass", "pass", "no confidence block")
    if score is None or math.isnan(score):
        judged = _unscored(confidence, hold)
        return _EXHAUSTED if escalated and judged.verdict == "escalate" else judged
    score = max(score, 0.0)
    reached = ((i, b) for i, b in enumerate(confidence.bands) if _reached(b, score, threshold))
    found = next(((i, b) for i, b in reached if not (escalated and b.verdict == "escalate")), None)
    if found is None:
        return _EXHAUSTED
    index, band = found
    acts = confidence.enforce == "on" and band.enforce == "on"
    return Judgement(
        verdict=band.verdict if acts else "pass",
        would=band.verdict,
        rule=f"bands[{index}]",
        template=(band.template or confidence.template) if band.verdict == "fallback" else None,
        queue=(band.queue or (hold.queue if hold else None)) if band.verdict == "hold" else None,
        deadline=(band.deadline or (hold.deadline if hold else None)) if band.verdict == "hold" else None,
    )


def held_by_tool(judged: Judgement, rule: str, hold: Hold | None) -> Judgement:
    """Hold an output for a tool that the model called; only a block is stricter."""
    if judged.verdict == "block":
        return judged
    queue, deadline = (hold.queue, hold.deadline) if hold else (None, None)
    return Judgement("hold", "hold", f"tools.{rule}", queue=queue, deadline=deadline)


def _unscored(confidence: Confidence, hold: Hold | None) -> Judgement:
    verdict = confidence.unscored
    holds = hold if verdict == "hold" else None
    return Judgement(
        verdict=verdict if confidence.enforce == "on" else "pass",
        would=verdict,
        rule="unscored",
        template=confidence.template if verdict == "fallback" else None,
        queue=holds.queue if holds else None,
        deadline=holds.deadline if holds else None,
    )


def _reached(band: Band, score: float, threshold: float | None) -> bool:
    if band.at_least == "certified":
        return threshold is not None and score >= threshold
    return score >= band.at_least
