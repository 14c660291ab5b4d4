"""Stage judge: from a screened answer to a verdict; pure."""

from gateway.call import ClearAnswer, Judged
from policy import decide


def judge(answer: ClearAnswer) -> Judged:
    """Let the policy judge. No scorer runs yet, so a policy that asks for a score gives its `unscored` verdict."""
    policy = answer.answer.route.request.governed.bound.policy
    return Judged(answer, decide.judge(policy.confidence, policy.hold, None))
