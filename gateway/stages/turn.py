"""Conversations, where an endpoint has them: the turns before a call, and what is kept of it in the end."""

from dataclasses import astuple

from gateway.call import ClearRequest, Governed, Released, Route, Target
from gateway.errors import BadRequest
from gateway.stages.live import Live
from gateway.wire.turn import Asker, Json, Said, Waiting
from redaction.targets import links_in
from redaction.types import Cleared, ScreenedBody, Vault


async def resume(governed: Governed) -> Governed:
    """Find the turns before this one.

    Raises:
        BadRequest: they cannot be found.
    """
    call = governed.call
    if call.endpoint.turn is None:
        return governed
    body = await call.endpoint.turn.resume(_asker(governed), call.body)
    return governed._replace(call=call._replace(body=body))


async def with_earlier(governed: Governed, cleared: Cleared) -> Cleared:
    """Put the earlier turns before the request, and their values into its vault.

    They were cleared when they came; the policy of today looks at them once more.
    """
    turn = governed.call.endpoint.turn
    if turn is None or turn.earlier is None:
        return cleared
    before = await governed.redactor.clear({"input": turn.earlier.items}, governed.call.endpoint.name)
    vault = Vault(
        values={**turn.earlier.values, **before.vault.values, **cleared.vault.values},
        hmacs=[*before.vault.hmacs, *cleared.vault.hmacs],
        links=cleared.vault.links | before.vault.links | links_in(turn.earlier.items, turn.earlier.values.keys()),
        json_mode=cleared.vault.json_mode,
    )
    return Cleared(
        cleared.body | {"input": [*before.body["input"], *cleared.body["input"]]},
        (*before.findings, *cleared.findings),
        vault,
        before.chars + cleared.chars,
        (*before.media, *cleared.media),
    )


async def defer(request: ClearRequest) -> ScreenedBody | None:
    """Queue a call that is to be answered later; return what its caller sees meanwhile, or None.

    Raises:
        GatewayError: it cannot be queued.
    """
    governed, cleared = request.governed, request.cleared
    turn = governed.call.endpoint.turn
    if turn is None:
        return None
    holder = governed.call.holder
    waiting = Waiting(
        key_id=holder.key_id,
        facts=list(astuple(holder.facts)),
        labels=list(governed.call.labels),
        subject=governed.call.labels.subject,
        request=cleared.body,
        values=cleared.vault.values,
        days=governed.bound.policy.retention.content.days,
    )
    shown = await turn.defer(waiting)
    screen = governed.redactor.screen(cleared.vault, governed.call.endpoint.name, again=True)
    return None if shown is None else screen.whole(shown)


def goes_on(request: ClearRequest, shown: Json) -> bool:
    """Say whether a queued call's stream goes on outside of the pipeline, after what was shown of it."""
    call = request.governed.call
    return call.stream and call.endpoint.turn is not None and call.endpoint.turn.goes_on(shown)


def overhear(live: Live, route: Route) -> None:
    """Let those hear a live answer who follow it elsewhere."""
    turn = route.request.governed.call.endpoint.turn
    if turn is not None and turn.hear is not None:
        live.tell(turn.hear)


def pinned(governed: Governed, targets: tuple[Target, ...]) -> tuple[Target, ...]:
    """Keep the targets of the provider that a conversation began with; see that all can be asked.

    Raises:
        BadRequest: there is none among them, or the request cannot be put to one.
    """
    turn = governed.call.endpoint.turn
    if turn is None:
        return targets
    if any(target.provider.translated for target in targets):
        turn.speech(translated=True).request(governed.call.body)
    if turn.earlier is None or turn.earlier.provider is None:
        return targets
    name = turn.earlier.provider
    kept = tuple(target for target in targets if target.provider.name == name)
    if not kept and targets:
        text = f"The earlier response came from the provider {name}, and this model is another one's."
        raise BadRequest(text, code="previous_response_elsewhere", param="previous_response_id")
    return kept


async def keep(released: Released) -> None:
    """Remember the call for the turns after it."""
    answer = released.judged.answer
    request = answer.answer.route.request
    governed = request.governed
    turn = governed.call.endpoint.turn
    if turn is None:
        return
    said = Said(
        asker=_asker(governed),
        subject=governed.call.labels.subject,
        request=request.cleared.body,
        answer=released.instead or answer.clean,
        values=request.cleared.vault.values,
        provider=answer.answer.target.provider.name,
        days=governed.bound.policy.retention.content.days,
        review=released.review,
    )
    await turn.keep(said)


def _asker(governed: Governed) -> Asker:
    facts = governed.call.holder.facts
    return Asker(facts.tenant, facts.automation)
