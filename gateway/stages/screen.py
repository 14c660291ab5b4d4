"""Stage screen: the answer is redacted before anybody sees or keeps it."""

from gateway.call import Answer, ClearAnswer
from gateway.errors import RedactionDown, Refused
from policy.usage import Usage
from redaction.screen import Screen
from redaction.types import Blocked, RedactionFailed


async def screen(answer: Answer) -> ClearAnswer:
    """Redact a complete answer.

    Raises:
        Refused: a rule blocks a value in it.
        RedactionDown: it could not be searched completely.
    """
    governed = answer.route.request.governed
    screener = governed.redactor.screen(answer.route.request.cleared.vault, governed.call.endpoint.name)
    try:
        if governed.call.stream:
            await screener.hear(answer.events, ended=True)
            return _stream(answer, screener)
        await screener.hear_whole(answer.events[0])
        return _body(answer, screener)
    except Blocked as error:
        raise Refused(f"The policy {governed.bound.name} does not allow {error.kind} in an answer.") from error
    except RedactionFailed as error:
        raise RedactionDown("The answer could not be searched for personal data, so it is not shown.") from error


def _body(answer: Answer, screener: Screen) -> ClearAnswer:
    body = answer.events[0]
    screened = screener.whole(body)
    usage = body.get("usage")
    return ClearAnswer(
        answer,
        screened.clean,
        (screened.reply,),
        screener,
        Usage.from_openai(usage) if isinstance(usage, dict) else None,
    )


def _stream(answer: Answer, screener: Screen) -> ClearAnswer:
    endpoint = answer.route.request.governed.call.endpoint
    assert endpoint.assemble is not None
    assembly = endpoint.assemble()
    pieces = [piece for event in answer.events for piece in screener.chunk(event, more=True)]
    pieces.extend(screener.close())
    for piece in pieces:
        assembly.add(piece.clean)
    usage = Usage.from_openai(assembly.usage) if assembly.usage else None
    return ClearAnswer(answer, assembly.whole(), tuple(piece.reply for piece in pieces), screener, usage)
