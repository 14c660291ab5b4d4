"""Labels a caller may put on a call: from headers, before body `metadata`, before W3C `baggage`."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from gateway.errors import BadRequest

MAX_CHARS: Final = 512
NAMES: Final = ("run_id", "step", "prompt", "subject", "data_class", "language", "channel")
_HEADERS: Final = tuple((name, b"x-sluice-" + name.replace("_", "-").encode()) for name in NAMES)


class Labels(NamedTuple):
    """What a caller says about a call, as received: cleared before it is recorded."""

    run_id: str | None = None
    step: str | None = None
    prompt: str | None = None
    subject: str | None = None
    data_class: str | None = None
    language: str | None = None
    channel: str | None = None

    def for_policy(self) -> dict[str, str]:
        """Return the labels that may activate the `tighten` blocks of a policy."""
        return {name: value for name, value in zip(NAMES, self, strict=True) if value is not None}


NONE: Final = Labels()


def read(headers: Mapping[bytes, bytes], metadata: Mapping[str, Any] | None) -> Labels:
    """Collect the labels of a request; the first carrier that has one wins.

    Raises:
        BadRequest: a label is not a text or is too long.
    """
    found = _from_baggage(headers[b"baggage"]) if b"baggage" in headers else {}
    for name in NAMES if metadata else ():
        if metadata is not None and metadata.get(name) is not None:
            found[name] = _text(metadata[name], f"metadata.{name}")
    for name, header in _HEADERS:
        if header in headers:
            found[name] = _text(headers[header].decode("utf-8", "replace"), header.decode())
    kept = {name: value for name, value in found.items() if value.strip()}
    return Labels(**kept) if kept else NONE


def without_labels(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body without our own metadata keys; the caller's other metadata stays."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or metadata.keys().isdisjoint(NAMES):
        return body
    kept = {name: value for name, value in metadata.items() if name not in NAMES}
    rest = {name: value for name, value in body.items() if name != "metadata"}
    return rest | {"metadata": kept} if kept else rest


def _text(value: object, param: str) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"The label {param} must be a text.", code="invalid_type", param=param)
    if len(value) > MAX_CHARS:
        raise BadRequest(f"The label {param} may have {MAX_CHARS} characters at most.", param=param)
    return value


def _from_baggage(header: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for member in header.decode("latin-1").split(","):
        name, _, value = member.partition(";")[0].partition("=")
        label = name.strip().removeprefix("sluice.")
        if name.strip().startswith("sluice.") and label in NAMES:
            found[label] = _text(unquote(value.strip()), "baggage")
    return found
