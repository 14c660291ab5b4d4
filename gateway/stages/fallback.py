"""A fallback template in the place of an answer: rendered, in the shape the caller asked for, screened like any."""

from typing import Any

import orjson

from gateway.call import ClearAnswer, ClearRequest
from gateway.errors import Refused
from gateway.scorers.shape import fits
from gateway.wire import said
from gateway.wire.endpoint import Json
from policy.render import Unrenderable
from policy.templates import Template, Wording, find_template, rendered


def fallback(answer: ClearAnswer, reference: str, notes: Json) -> Json:
    """Give the clean answer that a template makes, and note which one it was.

    Raises:
        Refused: it does not have the shape that the caller asked for.
    """
    request = answer.answer.route.request
    template = find_template(reference, request.governed.snapshot.templates)
    if template is None:
        raise Refused(f"The policy withholds this answer, and its template {reference} is missing.", code=_UNFIT)
    labels = request.governed.call.labels
    wording = template.wording(labels.language, labels.channel)
    clean = said.saying(answer.clean, _text(request, template, wording))
    place = template.wordings.index(wording)
    notes["fallback"] = {"template": template.template, "version": template.version, "wording": place}
    return clean


_UNFIT = "fallback_unfit"


def _text(request: ClearRequest, template: Template, wording: Wording) -> str:
    """Render a wording: as JSON for a caller that wants JSON."""
    wanted = said.wanted(request.governed.call.body)
    fields: Any = {"message": wording.text} if wording.fields is None else wording.fields
    try:
        if wanted.kind == "text":
            return str(rendered(wording.text, _variables(request)))
        value = rendered(fields, _variables(request))
    except Unrenderable as error:
        raise Refused(f"The template {template.template}@{template.version} cannot be used.", code=_UNFIT) from error
    if wanted.schema is not None and not fits(wanted.schema, value):
        name = f"{template.template}@{template.version}"
        raise Refused(f"The policy withholds this answer; {name} does not fit the wanted JSON schema.", code=_UNFIT)
    return orjson.dumps(value).decode()


def _variables(request: ClearRequest) -> dict[str, str]:
    tags, governed = request.governed.tags, request.governed
    named = {
        "automation": governed.call.holder.facts.automation, "run": tags.run, "step": tags.step, "prompt": tags.prompt,
        "model": tags.model, "question": said.question(request.cleared.body),
    }  # fmt: skip
    return {name: value or "" for name, value in named.items()}
