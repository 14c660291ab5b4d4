"""Which policy governs which facts, and whether two policies could claim the same call."""

from collections.abc import Iterable, Mapping, Sequence

from policy.model import AppliesTo, Facts

Region = Mapping[str, frozenset[str]]


def matches(selector: AppliesTo, facts: Facts) -> bool:
    """Say whether a selector accepts these facts."""
    return all(getattr(facts, name) in values for name, values in selector.named().items())


def overlap(one: AppliesTo, other: AppliesTo) -> Region | None:
    """Give the facts that both selectors accept; None when no call can match both."""
    first, second = one.named(), other.named()
    both = {name: first.get(name, second.get(name, frozenset())) for name in {*first, *second}}
    for name in first.keys() & second.keys():
        both[name] = first[name] & second[name]
    return None if any(not values for values in both.values()) else both


def most_specific(selectors: Sequence[AppliesTo], facts: Facts) -> int | None:
    """Give the index of the selector that names most facts of those that match."""
    fitting = [index for index, selector in enumerate(selectors) if matches(selector, facts)]
    return max(fitting, key=lambda index: len(selectors[index].named()), default=None)


def ties(selectors: Sequence[AppliesTo]) -> Iterable[tuple[int, int, Region]]:
    """List pairs that name equally many facts and could claim the same call, unless a closer file takes it."""
    for first, one in enumerate(selectors):
        for second in range(first + 1, len(selectors)):
            other = selectors[second]
            if len(one.named()) != len(other.named()):
                continue
            shared = overlap(one, other)
            if shared is not None and not _taken(shared, len(one.named()), selectors):
                yield first, second, shared


def _taken(shared: Region, count: int, selectors: Sequence[AppliesTo]) -> bool:
    return any(
        len(named := selector.named()) > count
        and all(name in shared and shared[name] <= values for name, values in named.items())
        for selector in selectors
    )
