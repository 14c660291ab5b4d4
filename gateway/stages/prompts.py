"""Stage clear, first of all: a reference to a registered prompt becomes its text, and unregistered prompts are met."""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from gateway.call import Call, Governed
from gateway.errors import BadRequest, Refused
from gateway.wire.endpoint import Json
from policy.model import Policy
from policy.prompts import Key, Prompt, decide_prompt
from policy.render import Unrenderable, render

_LABEL: Final = re.compile(r"(?P<name>[^@\s]+)(@v?(?P<version>\d{1,6}))?")


def prompts(governed: Governed, notes: Json) -> Governed:
    """Find the prompt that a call names, let the policy decide about it, and put the text of a reference in its place.

    Raises:
        Refused: the policy does not allow it.
        BadRequest: the reference's variables do not fit.
    """
    call, policy, registry = governed.call, governed.bound.policy, governed.snapshot.prompts
    reference = call.body.get("prompt")
    refers = isinstance(reference, dict)
    if policy.prompts is None and not (registry and (refers or call.labels.prompt)):
        return governed
    found = _named(policy, reference if isinstance(reference, dict) else None, call, registry)
    decision = decide_prompt(policy.prompts, found, registry)
    prompt = registry.get(found) if found else None
    said = {"id": prompt.id, "version": prompt.version, "sha256": prompt.sha256} if prompt else {}
    notes["prompt"] = said | {"decision": decision, "by": "reference" if refers else "label" if found else "none"}
    if decision == "block":
        raise Refused(_refusal(prompt), code="prompt_not_allowed", param="prompt")
    if prompt is None or not isinstance(reference, dict):
        return governed
    return governed._replace(call=call._replace(body=_placed(call, prompt, reference.get("variables"))))


def _refusal(prompt: Prompt | None) -> str:
    if prompt is not None:
        return f"The policy does not allow the prompt {prompt.id}@{prompt.version}."
    return "The policy allows registered prompts only: name one in `prompt` or x-sluice-prompt (name@version)."


def _named(policy: Policy, reference: Json | None, call: Call, registry: Mapping[Key, Prompt]) -> Key | None:
    """Find the version that is meant; without a number, the newest that the policy allows, else the newest."""
    if reference is not None:
        name, version = str(reference.get("id", "")), str(reference.get("version") or "")
    else:
        said = _LABEL.fullmatch(call.labels.prompt or "")
        name, version = (said["name"], said["version"] or "") if said else ("", "")
    if version:
        return Key(name, int(version.removeprefix("v"))) if version.removeprefix("v").isdecimal() else None
    known = sorted((key for key in registry if key.name == name), reverse=True)
    allowed = (key for key in known if decide_prompt(policy.prompts, key, registry) == "allow")
    return next(allowed, known[0] if known else None)


def _placed(call: Call, prompt: Prompt, variables: object) -> Json:
    """Put a prompt's text before what the caller said."""
    try:
        text = render(prompt.text, _variables(prompt, variables))
    except Unrenderable as error:
        raise BadRequest(f"The prompt {prompt.id}@{prompt.version} cannot be rendered.", param="prompt") from error
    body = {name: value for name, value in call.body.items() if name != "prompt"}
    if "messages" in body:
        return body | {"messages": [{"role": "system", "content": text}, *body["messages"]]}
    own = body.get("instructions")
    return body | {"instructions": f"{text}\n\n{own}" if isinstance(own, str) and own else text}


def _variables(prompt: Prompt, given: object) -> dict[str, str]:
    values: Mapping[str, Any] = given if isinstance(given, dict) else {}
    for name in prompt.variables:
        if name not in values:
            where = f"prompt.variables.{name}"
            raise BadRequest(f"'{where}' is missing.", code="missing_required_parameter", param=where)
    return {name: _plain(values[name]) for name in prompt.variables}


def _plain(value: Any) -> str:
    if isinstance(value, dict) and value.get("type") == "input_text":
        value = value.get("text")
    return value if isinstance(value, str) else orjson.dumps(value).decode()
