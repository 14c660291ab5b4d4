"""Stage judge: from a screened answer and its score to a verdict."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isnan
from typing import Final

from gateway.call import ClearAnswer, Judged, Route, Scored
from gateway.control.certificates import Withdrawn
from gateway.stages.choose import better
from gateway.stages.models import Models
from gateway.wire.endpoint import Json
from policy import decide
from policy.certificate import audit_coin, certificate_key

UNSCORED: Final = Scored()


@dataclass(frozen=True, slots=True)
class Assurance:
    """What a `certified` band needs of the machine: certificates that were withdrawn, and the secret of audit coins."""

    withdrawn: Withdrawn = field(default_factory=Withdrawn)
    secret: bytes = b""

    def threshold(self, answer: ClearAnswer, scored: Scored, notes: Json, now_us: int) -> float | None:
        """Give the threshold of the certificate in force for an output, if any; toss and note its audit coin."""
        request = answer.answer.route.request
        governed = request.governed
        block = governed.bound.policy.confidence
        if block is None or block.certified is None or scored.value is None or isnan(scored.value):
            return None
        asked, tags, facts = block.certified, governed.tags, governed.call.holder.facts
        said = notes.get("prompt") or {}
        prompt = f"{said['id']}@{said['version']}" if "id" in said else tags.prompt
        model = answer.clean.get("model") or answer.answer.target.model
        key = certificate_key(governed.bound.policy, facts, tags.step, prompt, governed.clear_name(str(model)[:200]))
        at = datetime.fromtimestamp(now_us / 1e6, UTC)
        standing = governed.snapshot.certificates.standing(key, scored.value, asked, self.withdrawn.ids, at)
        drawn = audit_coin(self.secret, governed.call.id, standing.rate)
        notes["audit"] = standing.record(key, asked, drawn=drawn)
        return standing.threshold


def judge(
    answer: ClearAnswer,
    scored: Scored,
    threshold: float | None = None,
    *,
    escalated: bool = False,
    held_by: str | None = None,
) -> Judged:
    """Let the policy judge; where it asks for no score, everything passes but what a rule on tools holds."""
    policy = answer.answer.route.request.governed.bound.policy
    judgement = decide.judge(policy.confidence, policy.hold, scored.value, threshold, escalated=escalated)
    if held_by is not None:
        judgement = decide.held_by_tool(judgement, held_by, policy.hold)
    return Judged(answer, judgement, scored, threshold)


def judge_again(judged: Judged) -> Judged:
    """Judge without a better model to ask."""
    return judge(judged.answer, judged.scored, judged.threshold, escalated=True)


def escalated(judged: Judged, models: Models) -> Route | None:
    """Give the route to the next better model, None where there is none; the answer so far is charged."""
    answer = judged.answer.answer
    target = better(answer.route, answer.target, models.upstreams)
    if target is None:
        return None
    models.charge(judged.answer, models.attempts)
    return answer.route._replace(targets=(target,), fallbacks=(), escalated=True)
