"""What this version enforces: any other key is refused, so that no rule is silently ignored."""

from collections.abc import Iterator
from typing import Any, Final

from policy.problems import KeyPath, Problem, Source, problem

ENFORCED: Final = frozenset({
    "policy", "schema", "owner", "description", "applies_to", "redaction", "retention", "limits", "budget", "minimise",
    "prompts", "tools", "routing", "cache", "confidence", "delivery", "failure", "logging",
})  # fmt: skip
# Keys of these blocks that are not enforced.
NOT_YET: Final = frozenset({"confidence.certified"})


def not_enforced(source: Source) -> list[Problem]:
    """List every key a file gives that this version would not act on."""
    given: list[tuple[KeyPath, Any]] = [
        ((key,), value) for key, value in source.data.items() if key not in ("tighten", "floors")
    ]
    for name in ("tighten", "floors"):
        inner = source.data.get(name)
        for index, block in enumerate(inner if isinstance(inner, list) else ()):
            keys = block.items() if isinstance(block, dict) else ()
            given.extend(((name, index, key), value) for key, value in keys if key not in ("when", "applies_to"))
    paths = [path for start, value in given for path in _unlisted(start, value)]
    return [
        problem(source.places[path].key, path, "not enforced by this version; remove it")
        for path in paths
        if path in source.places
    ]


def _unlisted(start: KeyPath, value: Any) -> Iterator[KeyPath]:
    block = str(start[-1])
    if block not in ENFORCED:
        yield start
    elif isinstance(value, dict):
        yield from ((*start, key) for key in value if f"{block}.{key}" in NOT_YET)
