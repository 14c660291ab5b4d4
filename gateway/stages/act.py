"""Stage act: what the verdict means for the caller."""

from gateway.call import Judged, Released


def act(judged: Judged) -> Released:
    """Release a passed answer."""
    return Released(judged, judged.answer.restored)
