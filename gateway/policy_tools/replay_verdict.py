"""Verdicts of a candidate over recorded scores: what would pass, be held, replaced or withheld."""

from typing import Final

from gateway.policy_tools.replay_base import Effect, Replayed, Row
from policy.blocks_output import Confidence
from policy.decide import judge
from policy.model import Policy

# Refusals of calls that a model had answered.
WITHHELD: Final = frozenset({"answer_withheld", "held_for_review", "tool_call_withheld"})


def verdict(done: Replayed, row: Row, base: Policy | None, new: Policy) -> None:
    """Judge recorded scores by the bands of a candidate; a score is one of the scorers that stood then."""
    before = row["verdict"]
    kinds = {effect.what for effect in done.effects}
    if before is None or "refusal" in kinds or not (row["outcome"] == "ok" or row["error_code"] in WITHHELD):
        return
    if "route" in kinds and new.confidence is not None:
        done.unknown.append("how another model's answers would have scored; the verdicts assume the recorded scores")
    same = base is not None and base.confidence == new.confidence and base.hold == new.hold
    reason = None if same else _unknown(row, base.confidence if base else None, new.confidence)
    if reason is not None:
        done.unknown.append(reason)
    if reason is not None or (same and _beyond_bands(row, new.confidence)):
        return
    after = judge(new.confidence, new.hold, row["confidence"], escalated=bool(row["escalated"])).verdict
    if after != before:
        done.effects.append(Effect("verdict", before, after))
        if after == "escalate":
            done.unknown.append("what a better model would have answered, and for how much")


def _beyond_bands(row: Row, block: Confidence | None) -> bool:
    """Say whether a verdict came from more than the score: a certificate, or a rule on tools."""
    certified = block is not None and block.certified is not None
    return certified or str(row["verdict_rule"] or "").startswith("tools.")


def _unknown(row: Row, base: Confidence | None, new: Confidence | None) -> str | None:
    if new is None or new.enforce == "observe":
        return None
    if row["verdict_rule"] is None:
        return "verdicts of calls that were not scored, which needs the texts"
    if base is None or (base.scorers, base.combine) != (new.scorers, new.combine):
        return "verdicts under other scorers, which needs the texts"
    if new.certified is not None:
        return "verdicts of a `certified` band, which depend on the certificate of the day"
    return "verdicts of calls that were escalated: the first answer's score is not kept" if row["escalated"] else None
