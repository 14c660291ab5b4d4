"""Data minimisation: which fields of structured content stay, pure."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from policy.blocks_data import Minimise

_Steps = tuple[str, ...]


def minimised(block: Minimise, value: Any) -> tuple[Any, dict[str, int]]:
    """Give a JSON value without what may not travel, and how many fields went, by path of the policy.

    Lists are walked through, with or without `[*]`; `*` is any name. What `keep` does not mention counts as `other`.
    """
    gone: dict[str, int] = {}
    if block.drop:
        for path in block.drop:
            value = _without(value, _steps(path), path, gone)
        return value, gone
    kept = _only(value, [_steps(path) for path in block.keep], gone)
    return kept, gone


@lru_cache(maxsize=1024)
def _steps(path: str) -> _Steps:
    bare = path.replace("[*]", "").split(".")
    return tuple(bare[1:] if bare[0] == "$" and len(bare) > 1 else bare)


def _without(value: Any, steps: _Steps, path: str, gone: dict[str, int]) -> Any:
    if isinstance(value, list):
        return [_without(item, steps, path, gone) for item in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for name, inner in value.items():
        if steps[0] not in (name, "*"):
            out[name] = inner
        elif len(steps) == 1:
            gone[path] = gone.get(path, 0) + 1
        else:
            out[name] = _without(inner, steps[1:], path, gone)
    return out


def _only(value: Any, paths: Iterable[_Steps], gone: dict[str, int]) -> Any:
    if isinstance(value, list):
        return [_only(item, paths, gone) for item in value]
    if not isinstance(value, dict):
        gone["other"] = gone.get("other", 0) + 1
        return None
    out = {}
    for name, inner in value.items():
        below = [steps[1:] for steps in paths if steps[0] in (name, "*")]
        if any(not steps for steps in below):
            out[name] = inner
        elif below and isinstance(inner, dict | list):
            out[name] = _only(inner, below, gone)
        else:
            gone["other"] = gone.get("other", 0) + 1
    return out
