"""Stage judge: from a screened answer and its score to a verdict; pure."""

from typing import Final

from gateway.call import ClearAnswer, Judged, Route, Scored
from gateway.stages.choose import better
from gateway.stages.models import Models
from policy import decide

UNSCORED: Final = Scored()


def judge(answer: ClearAnswer, scored: Scored, escalated: bool = False) -> Judged:
    """Let the policy judge; where it asks for no score, everything passes."""
    policy = answer.answer.route.request.governed.bound.policy
    judgement = decide.judge(policy.confidence, policy.hold, scored.value, escalated=escalated)
    return Judged(answer, judgement, scored)


def judge_again(judged: Judged) -> Judged:
    """Judge without a better model to ask."""
    return judge(judged.answer, judged.scored, escalated=True)


def escalated(judged: Judged, models: Models) -> Route | None:
    """Give the route to the next better model, None where there is none; the answer so far is charged."""
    answer = judged.answer.answer
    target = better(answer.route, answer.target, models.upstreams)
    if target is None:
        return None
    models.charge(judged.answer, models.attempts)
    return answer.route._replace(targets=(target,), fallbacks=(), escalated=True)
