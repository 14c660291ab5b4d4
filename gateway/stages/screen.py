"""Stage screen: the answer is redacted before anybody sees or keeps it."""

from gateway.call import Answer, ClearAnswer
from gateway.errors import RedactionDown, Refused
from gateway.wire.endpoint import Json
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


def unseen(answer: Answer) -> ClearAnswer:
    """Give an answer that nobody sees, as it broke off or may not be shown, by its numbers: it has cost something."""
    request = answer.route.request
    endpoint = request.governed.call.endpoint
    whole: Json = answer.events[0] if answer.events else {}
    if request.governed.call.stream and endpoint.assemble is not None:
        assembly = endpoint.assemble()
        for event in answer.events:
            assembly.add(event)
        whole = assembly.whole()
    usage = whole.get("usage")
    clean: Json = {"model": whole.get("model"), "service_tier": whole.get("service_tier"), "choices": [], "output": []}
    return ClearAnswer(
        answer,
        clean,
        (),
        request.governed.redactor.screen(request.cleared.vault, endpoint.name),
        Usage.from_openai(usage) if isinstance(usage, dict) else None,
        endpoint.chars(whole) if whole else 0,
    )
