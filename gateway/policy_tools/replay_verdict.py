"""Verdicts of a candidate over recorded scores: what would pass, be held, replaced or withheld."""

from typing import Final

from gateway.policy_tools.replay_base import Effect, Replayed, Row
from policy.blocks_output import Confidence
from policy.decide import held_by_tool, judge
from policy.model import Policy

# Refusals of calls that a model had answered.
WITHHELD: Final = frozenset({"answer_withheld", "held_for_review", "rejected_by_reviewer", "tool_call_withheld"})


def verdict(done: Replayed, row: Row, policies: tuple[Policy | None, Policy], held_by: str | None) -> None:
    """Judge recorded scores by the bands of a candidate; a score is one of the scorers that stood then.

    `policies` are the one that governs now and the candidate; `held_by` is the candidate's rule that holds a tool.
    What an operator stopped, no policy held.
    """
    base, new = policies
    before, kinds = row["verdict"], {effect.what for effect in done.effects}
    if (
        before is None
        or row["verdict_rule"] == "stopped"
        or "refusal" in kinds
        or not (row["outcome"] == "ok" or row["error_code"] in WITHHELD)
    ):
        return
    if "route" in kinds and new.confidence is not None:
        done.unknown.append("how another model's answers would have scored; the verdicts assume the recorded scores")
    by_tool = str(row["verdict_rule"] or "").startswith("tools.")
    same = base is not None and base.confidence == new.confidence
    if same and not by_tool and held_by is None and _certified(new.confidence):
        return
    reason = _unknown(row, base.confidence if base else None, new.confidence, by_tool=by_tool)
    if reason is not None and not (same and not by_tool and held_by is None):
        done.unknown.append(reason)
        return
    judged = judge(new.confidence, new.hold, row["confidence"], escalated=bool(row["escalated"]))
    after = held_by_tool(judged, held_by, new.hold).verdict if held_by else judged.verdict
    if after != before:
        done.effects.append(Effect("verdict", before, after))
        if after == "escalate":
            done.unknown.append("what a better model would have answered, and for how much")


def _certified(block: Confidence | None) -> bool:
    return block is not None and block.certified is not None


def _unknown(row: Row, base: Confidence | None, new: Confidence | None, *, by_tool: bool) -> str | None:
    """Say why a verdict cannot be known; None when it can."""
    if new is None or new.enforce == "observe":
        return None
    if row["confidence"] is None and (by_tool or row["verdict_rule"] is None):
        return "verdicts of calls that were not scored, which needs the texts"
    if base is None or (base.scorers, base.combine) != (new.scorers, new.combine):
        return "verdicts under other scorers, which needs the texts"
    if _certified(new):
        return "verdicts of a `certified` band, which depend on the certificate of the day"
    return "verdicts of calls that were escalated: the first answer's score is not kept" if row["escalated"] else None
