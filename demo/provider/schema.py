"""The subset of JSON Schema that structured answers support; anything else is refused before an answer is begun."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from demo.provider.errors import WireError
from demo.provider.words import wordset

SUPPORTED = wordset(
    "type properties required items enum const description title default $ref $defs definitions anyOf allOf "
    "additionalProperties minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength "
    "minItems maxItems uniqueItems format strict $schema examples nullable $id $comment deprecated readOnly "
    "writeOnly"
)
_TYPES = wordset("object array string number integer boolean null")
_MAX_DEPTH = 12

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """A schema with its definitions."""

    root: Schema

    def resolve(self, node: Schema) -> Schema:
        """Follow references and single-element allOf, keeping the description beside them."""
        for _ in range(_MAX_DEPTH):
            if "$ref" in node:
                node = {**self._target(str(node["$ref"])), **{k: v for k, v in node.items() if k != "$ref"}}
            elif len(node.get("allOf", ())) == 1:
                node = {**node["allOf"][0], **{k: v for k, v in node.items() if k != "allOf"}}
            else:
                return node
        raise invalid("$ref", "references lead round in a circle")

    def _target(self, reference: str) -> Schema:
        target: Any = self.root
        for part in reference.removeprefix("#").strip("/").split("/") if reference != "#" else ():
            target = target.get(part) if isinstance(target, Mapping) else None
        if not reference.startswith("#") or not isinstance(target, Mapping):
            raise invalid("$ref", f"'{reference}' is not found in the schema")
        return target


def load(root: object) -> Document:
    """Check a schema and give it as a document; raises WireError 400 when it leaves the supported subset."""
    if not isinstance(root, Mapping):
        raise invalid("schema", "must be an object")
    _check(root, "schema", 0)
    return Document(root)


def types_of(node: Schema) -> tuple[str, ...]:
    """Give the types a schema node allows."""
    declared = node.get("type")
    if isinstance(declared, list):
        return tuple(declared)
    if declared is None:
        guessed = "object" if "properties" in node else "array" if "items" in node else "string"
        return (guessed,)
    return (str(declared), "null") if node.get("nullable") is True else (str(declared),)


def invalid(where: str, why: str) -> WireError:
    """Make the error of a schema that cannot be served."""
    return WireError(
        400, f"Invalid schema for response_format: {where}: {why}.", "response_format", "invalid_json_schema"
    )


def _check(node: Any, where: str, depth: int) -> None:
    if isinstance(node, bool):
        return
    if not isinstance(node, Mapping) or depth > 4 * _MAX_DEPTH:
        raise invalid(where, "must be an object of bounded depth")
    if unknown := sorted(set(node) - SUPPORTED):
        raise invalid(where, f"'{unknown[0]}' is not supported by this simulated model")
    if len(node.get("allOf", ())) > 1:
        raise invalid(where, "allOf with several members is not supported by this simulated model")
    if node.get("uniqueItems") is True and int(node.get("minItems", 0)) > 1 and not _distinguishable(node.get("items")):
        raise invalid(where, "uniqueItems is supported for strings only by this simulated model")
    if not set(types_of(node)) <= _TYPES:
        raise invalid(where, "unknown type")
    _check_children(node, where, depth)


def _check_children(node: Schema, where: str, depth: int) -> None:
    for key in ("properties", "$defs", "definitions"):
        for name, child in node.get(key, {}).items():
            _check(child, f"{where}.{name}", depth + 1)
    for key in ("anyOf", "allOf"):
        for at, child in enumerate(node.get(key, ())):
            _check(child, f"{where}.{key}[{at}]", depth + 1)
    if "items" in node:
        _check(node["items"], f"{where}[]", depth + 1)


def _distinguishable(items: object) -> bool:
    return isinstance(items, Mapping) and "enum" not in items and types_of(items) == ("string",)
