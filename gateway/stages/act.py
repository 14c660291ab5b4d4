"""Stage act: what the verdict means for the caller."""

from gateway.call import ClearAnswer, Judged, Released
from gateway.errors import RedactionDown, Refused
from gateway.stages.fallback import fallback
from gateway.wire.endpoint import Json
from gateway.wire.said import as_events
from redaction.types import Blocked, RedactionFailed


def act(judged: Judged, notes: Json) -> Released:
    """Release a passed answer, or what stands in its place.

    Raises:
        Refused: the verdict is another one, and nothing may stand in the answer's place.
    """
    judgement = judged.judgement
    if judgement.verdict == "pass":
        return Released(judged, judged.answer.restored)
    if judgement.verdict == "fallback" and judgement.template is not None:
        return instead(judged, fallback(judged.answer, judgement.template, notes))
    raise Refused(
        f"The policy withholds this answer ({judgement.rule}).",
        code="answer_withheld",
        headers={"x-sluice-decision": judgement.verdict},
    )


def instead(judged: Judged, clean: Json) -> Released:
    """Show something else than the answer: screened, in one piece or as the events of a stream.

    Raises:
        RedactionDown: it could not be screened.
    """
    call = judged.answer.answer.route.request.governed.call
    options = call.body.get("stream_options") or {}
    body = reply_of(judged.answer, clean)
    shown = as_events(call.endpoint.name, body, bool(options.get("include_usage"))) if call.stream else [body]
    return Released(judged, tuple(shown), clean)


def reply_of(answer: ClearAnswer, clean: Json) -> Json:
    """Put the caller's own values into a clean answer.

    Raises:
        RedactionDown: it could not be screened.
    """
    request = answer.answer.route.request
    screen = request.governed.redactor.screen(request.cleared.vault, request.governed.call.endpoint.name, again=True)
    try:
        return screen.whole(clean).reply
    except (Blocked, RedactionFailed) as error:
        raise RedactionDown("What stands in the answer's place could not be searched, so it is not shown.") from error
