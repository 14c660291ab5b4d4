"""The rows that the reference of the file format must have, worked out from the model."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from policy.automations import Automation
from policy.cases import CaseFile
from policy.certificate import Certificate
from policy.floors import Floors
from policy.model import Policy
from policy.prices import PriceList
from policy.prompts import PromptHead
from policy.providers import ProviderList
from policy.templates import Template

FILES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("", Policy),
    ("_floors.yaml", Floors),
    ("providers.yaml", ProviderList),
    ("prices.yaml", PriceList),
    ("automations/NAME.yaml", Automation),
    ("prompts/NAME/vN.md", PromptHead),
    ("tests/NAME.yaml", CaseFile),
    ("templates/NAME/vN.yaml", Template),
    ("certificates/ID.yaml", Certificate),
)


def sections() -> Iterator[tuple[str, list[str]]]:
    """Give each mapping of the format once: its path as a heading, and its table rows."""
    seen: set[str] = set()
    for prefix, model in FILES:
        schema = model.model_json_schema(by_alias=True)
        yield from _walk(prefix, schema, schema.get("$defs", {}), seen)


def _walk(path: str, node: dict[str, Any], defs: dict[str, Any], seen: set[str]) -> Iterator[tuple[str, list[str]]]:
    required = node.get("required", [])
    kind = node.get("properties", {}).get("kind", {}).get("const")
    yield (
        f"{path} (kind: {kind})" if kind else path,
        [_row(key, inner, defs, required=key in required) for key, inner in node.get("properties", {}).items()],
    )
    for key, inner in node.get("properties", {}).items():
        for suffix, reference in _references(inner):
            if reference not in seen and reference in defs:
                seen.add(reference)
                below = (
                    f"{path}: {key}{suffix}"
                    if path.endswith((".yaml", ".md"))
                    else f"{path}.{key}{suffix}".removeprefix(".")
                )
                yield from _walk(below, defs[reference], defs, seen)


def _references(node: dict[str, Any], suffix: str = "") -> Iterator[tuple[str, str]]:
    if "$ref" in node:
        yield suffix, node["$ref"].rsplit("/", 1)[-1]
    for part in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())):
        yield from _references(part, suffix)
    if isinstance(node.get("items"), dict):
        yield from _references(node["items"], f"{suffix}[]")
    inner = node.get("additionalProperties") or next(iter(node.get("patternProperties", {}).values()), None)
    if isinstance(inner, dict):
        yield from _references(inner, f"{suffix}.*")


def _row(key: str, node: dict[str, Any], defs: dict[str, Any], *, required: bool) -> str:
    default = "required" if required else _default(node)
    return f"| `{key}` | {_values(node, defs)} | {default} | {node.get('description', '')} |"


def _default(node: dict[str, Any]) -> str:
    value = node.get("default")
    if value is None or value in ([], {}) or isinstance(value, dict):
        return ""
    return ", ".join(f"`{_plain(each)}`" for each in (value if isinstance(value, list) else [value]))


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _values(node: dict[str, Any], defs: dict[str, Any]) -> str:
    parts = [part for part in (*node.get("anyOf", ()), *node.get("oneOf", ())) if part.get("type") != "null"]
    if parts:
        return " or ".join(dict.fromkeys(_values(part, defs) for part in parts))
    if "$ref" in node:
        return "a mapping, below"
    if "enum" in node or "const" in node:
        return ", ".join(f"`{value}`" for value in node.get("enum", [node.get("const")]))
    kind = node.get("type")
    if kind == "array":
        return f"list of {_values(node.get('items', {}), defs)}".replace("list of a mapping", "list of mappings")
    if kind == "object":
        return "names to values"
    return _scalar(kind, node)


def _scalar(kind: str | None, node: dict[str, Any]) -> str:
    low, high = node.get("minimum", node.get("exclusiveMinimum")), node.get("maximum", node.get("exclusiveMaximum"))
    if kind in ("number", "integer"):
        words = "number" if kind == "number" else "whole number"
        return f"{words} {low:g} to {high:g}" if high is not None and high < 1e9 else words
    if node.get("pattern") == "^[0-9]{1,7}[smhd]$":
        return "`45s`, `5m`, `12h`, `30d`"
    return {"boolean": "`true`, `false`", "string": "text"}.get(kind or "", "")
