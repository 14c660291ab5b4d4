"""The file format as data: JSON Schema for editors, and every key by its path for documentation and suggestions."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel

from policy.model import Policy


def json_schema(model: type[BaseModel] = Policy) -> dict[str, Any]:
    """Give the JSON Schema of a file, as editors use it."""
    schema = model.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Sluice policy file"}


@cache
def key_names(models: tuple[type[BaseModel], ...]) -> frozenset[str]:
    """Give every key name that occurs in the formats."""
    return frozenset(path.split(".")[-1].removesuffix("[]") for model in models for path, _ in keys(json_schema(model)))


def keys(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """List the dotted path and the description of every key; `[]` marks a list, `*` a name of one's own."""
    yield from _below("", schema, schema.get("$defs", {}), ())


def _below(path: str, node: dict[str, Any], defs: dict[str, Any], seen: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for part in _alternatives(node):
        reference = part.get("$ref", "").rsplit("/", 1)[-1]
        if reference:
            if reference not in seen:
                yield from _below(path, defs[reference], defs, (*seen, reference))
            continue
        for name, inner in part.get("properties", {}).items():
            below = f"{path}.{name}".removeprefix(".")
            yield below, inner.get("description", "")
            yield from _below(below, inner, defs, seen)
        if isinstance(part.get("items"), dict):
            yield from _below(f"{path}[]", part["items"], defs, seen)
        if isinstance(inner := part.get("additionalProperties") or _patterned(part), dict):
            yield from _below(f"{path}.*", inner, defs, seen)


def _patterned(part: dict[str, Any]) -> dict[str, Any] | None:
    return next(iter(part.get("patternProperties", {}).values()), None)


def _alternatives(node: dict[str, Any]) -> Iterable[dict[str, Any]]:
    return [node, *node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())]
