"""What this version enforces, in one table: any other key is refused, so that no rule is silently ignored."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from policy.problems import KeyPath, Problem, Source, problem

_CANDIDATE = ("model", "quality", "latency_s", "region", "capabilities", "context_tokens", "weight", "when")
_FALLBACK = ("fallbacks", "fallbacks.after", "fallbacks.models")
_CONSTRAINTS = ("min_quality", "max_cost_usd", "max_latency_s", "regions")
_RETRIES = ("retries", "retries.attempts", "retries.after")
_SHARED = frozenset({
    "candidates", *(f"candidates.{key}" for key in _CANDIDATE),
    "constraints", *(f"constraints.{key}" for key in _CONSTRAINTS), "objective", *_FALLBACK,
})  # fmt: skip
_SPLIT = ("name", "arms", "arms.name", "arms.model", "arms.share")
_ROUTE = _SHARED | {
    "models", "when", "split", *(f"split.{key}" for key in _SPLIT),
    "prefer", "prefer.label", "prefer.label.*", "prefer.models", "enforce",
}  # fmt: skip

# Keys of blocks that are enforced otherwise.
NOT_YET = frozenset({"redaction.window_chars"})

# Block -> None when all of it is enforced, else its enforced keys (dotted; list positions are left out).
ENFORCED: Mapping[str, frozenset[str] | None] = MappingProxyType(
    {
        "policy": None,
        "schema": None,
        "owner": None,
        "description": None,
        "applies_to": None,
        "redaction": None,
        "retention": None,
        "limits": None,
        "budget": None,
        "minimise": None,
        "prompts": None,
        "tools": None,
        "routing": _SHARED | {"rules", "sticky", *_RETRIES, *(f"rules.{key}" for key in _ROUTE)},
        "cache": None,
        "delivery": None,
        "failure": None,
        "logging": None,
    }
)


def not_enforced(source: Source, table: Mapping[str, frozenset[str] | None] = ENFORCED) -> list[Problem]:
    """List every key a file gives that this version would not act on."""
    given: list[tuple[KeyPath, Any]] = [
        ((key,), value) for key, value in source.data.items() if key not in ("tighten", "floors")
    ]
    for name in ("tighten", "floors"):
        inner = source.data.get(name)
        for index, block in enumerate(inner if isinstance(inner, list) else ()):
            keys = block.items() if isinstance(block, dict) else ()
            given.extend(((name, index, key), value) for key, value in keys if key not in ("when", "applies_to"))
    paths = [path for start, value in given for path in _unlisted(start, value, table)]
    return [
        problem(source.places[path].key, path, "not enforced by this version; remove it")
        for path in paths
        if path in source.places
    ]


def _unlisted(start: KeyPath, value: Any, table: Mapping[str, frozenset[str] | None]) -> Iterator[KeyPath]:
    block = str(start[-1])
    if block not in table:
        yield start
        return
    listed = table[block]
    if listed is not None:
        yield from _unlisted_keys(start, "", value, listed)
    elif isinstance(value, dict):
        yield from ((*start, key) for key in value if f"{block}.{key}" in NOT_YET)


def _unlisted_keys(path: KeyPath, name: str, value: Any, listed: frozenset[str]) -> Iterator[KeyPath]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unlisted_keys((*path, index), name, item, listed)
    elif isinstance(value, dict):
        for key, inner in value.items():
            below = f"{name}.{key}".removeprefix(".")
            if f"{name}.*" in listed:
                continue
            if below in listed:
                yield from _unlisted_keys((*path, key), below, inner, listed)
            else:
                yield (*path, key)
