"""Stage screen: the answer is redacted before anybody sees or keeps it."""

from gateway.call import Answer, ClearAnswer
from gateway.errors import RedactionDown, Refused
from policy.usage import Usage
from redaction.aside import LONG
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
        return await (_stream if governed.call.stream else _body)(answer, screener)
    except Blocked as error:
        raise Refused(f"The policy {governed.bound.name} does not allow {error.kind} in an answer.") from error
    except RedactionFailed as error:
        raise RedactionDown("The answer could not be searched for personal data, so it is not shown.") from error


async def _body(answer: Answer, screener: Screen) -> ClearAnswer:
    body = answer.events[0]
    screened = await screener.answer(body, long=len(answer.raw) > LONG if answer.raw else None)
    usage = body.get("usage")
    return ClearAnswer(
        answer,
        screened.clean,
        (screened.reply,),
        screener,
        Usage.from_openai(usage) if isinstance(usage, dict) else None,
    )


async def _stream(answer: Answer, screener: Screen) -> ClearAnswer:
    endpoint = answer.route.request.governed.call.endpoint
    assert endpoint.assemble is not None
    assembly = endpoint.assemble()
    pieces = [*await screener.events(answer.events, ended=True), *screener.close()]
    for piece in pieces:
        assembly.add(piece.clean)
    usage = Usage.from_openai(assembly.usage) if assembly.usage else None
    return ClearAnswer(answer, assembly.whole(), tuple(piece.reply for piece in pieces), screener, usage)
