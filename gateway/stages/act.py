"""Stage act: what the verdict means for the caller."""

from gateway.call import Judged, Released
from gateway.errors import Refused


def act(judged: Judged) -> Released:
    """Release a passed answer.

    Raises:
        Refused: the verdict is another one, and nothing may stand in the answer's place.
    """
    if judged.judgement.verdict != "pass":
        raise Refused(f"The policy withholds this answer ({judged.judgement.rule}).", code="answer_withheld")
    return Released(judged, judged.answer.restored)
