"""The linear-time engine: RE2 over folded ASCII bytes, without the cost of match objects."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import re2

ANYWHERE = re2._Anchor.UNANCHORED
_HERE = re2._Anchor.ANCHOR_START
_NOWHERE = -1


class PatternError(ValueError):
    """A pattern that cannot be used, with the reason as a sentence."""


class Linear:
    """One pattern, compiled when it is first looked for: most of hundreds never are.

    Goes below the `re2` module's own match objects, which cost more than the search itself on texts of this size.
    """

    __slots__ = ("_pattern", "match")

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def __getattr__(self, name: str) -> Any:
        """Compile the pattern; `match` is an attribute from then on."""
        if name != "match":
            raise AttributeError(name)
        try:
            self.match: Any = re2.compile(self._pattern.encode("ascii"), _options(32))._regexp.Match
        except (re2.error, UnicodeEncodeError) as error:
            raise PatternError(f"the pattern cannot be used by the linear-time engine: {error}") from error
        return self.match

    def spans(self, data: bytes, since: int, until: int, group: int = 0) -> Iterator[tuple[int, int, int, int]]:
        """Give where each match in [since, until) begins and stops, and where its group does."""
        match = self.match
        while since <= until:
            found = match(ANYWHERE, data, since, until)
            began, stop = found[0]
            if began == _NOWHERE:
                return
            yield began, stop, *found[group]
            since = stop if stop > since else since + 1

    def first(self, data: bytes, since: int = 0, group: int = 0) -> int:
        """Give where the first match's group begins, or -1."""
        return int(self.match(ANYWHERE, data, since, len(data))[group][0])

    def stop(self, data: bytes, since: int = 0) -> int:
        """Give where the first match stops, or -1."""
        return int(self.match(ANYWHERE, data, since, len(data))[0][1])

    def here(self, data: bytes, since: int = 0) -> int:
        """Give where a match that begins at `since` stops, or -1."""
        return int(self.match(_HERE, data, since, len(data))[0][1])


class LinearSet:
    """Many patterns that are searched for at once.

    Its automaton is built while it reads, a state for each mix of beginnings that it meets. In several `parts` the
    mixes are fewer and cheaper: text that is unlike all before costs a quarter, text that is like it some more.
    """

    __slots__ = ("_parts",)

    def __init__(self, patterns: Sequence[str], parts: int = 1) -> None:
        order = sorted(range(len(patterns)), key=patterns.__getitem__)  # like beginnings stand together
        size = max(1, -(-len(order) // parts))
        self._parts = [_compiled(patterns, order[at : at + size], parts) for at in range(0, len(order), size)]

    def hits(self, data: bytes) -> list[int]:
        """Give the numbers of the patterns that match somewhere."""
        return [numbers[found] for match, numbers in self._parts for found in match(data)]


def _compiled(
    patterns: Sequence[str], numbers: list[int], parts: int
) -> tuple[Callable[[bytes], list[int]], list[int]]:
    """Give the search for some of the patterns, and the numbers of what it gives."""
    found = re2.Set.SearchSet(_options(64 // parts))
    for number in numbers:
        try:
            found.Add(patterns[number].encode("ascii"))
        except (re2.error, UnicodeEncodeError) as error:
            raise PatternError(f"the pattern cannot be used by the linear-time engine: {error}") from error
    found.Compile()
    return found._set.Match, numbers


def _options(megabytes: int) -> Any:
    options = re2.Options()
    options.max_mem = megabytes << 20
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    return options
