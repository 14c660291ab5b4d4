"""What a recognizer is: a pattern over folded ASCII text, and what makes a match of it worth a score."""

from collections.abc import Callable
from dataclasses import dataclass

Check = Callable[[str], bool]
# Finds the value inside a match that may hold its neighbours too: offsets into the match, or None.
Fit = Callable[[str], tuple[int, int] | None]

# Characters that join a number or word to its neighbour: `ORD-4111...`, `1.2.3.4-rc1`, `a/b`.
JOINTS = "-._/:"


@dataclass(frozen=True, slots=True)
class Recognizer:
    """Finds one kind in folded ASCII text.

    `pattern` is an RE2 pattern of at most 64 characters' width. A value that may be longer gives `run`, the class of
    characters it goes on with, or `until`, the pattern that ends it; then `pattern` is only its beginning, and
    `confirm` (if any) must match the whole. With `group` the value is that group, and the rest is what led to it.

    A match has `score`, or `near` when `context` stands within reach before it (in requests: or after it), or as the
    name of the field it stands in. `check` refuses what only looks like the kind. `joints` are characters by which a
    match must not be joined to a letter or digit. `answers` says whether it also runs on what the model wrote:
    patterns that would hold back plain prose do not.
    """

    name: str
    kind: str
    pattern: str
    score: float
    context: str = ""
    near: float = 0.0
    check: Check | None = None
    fit: Fit | None = None
    joints: str = ""
    group: int = 0
    run: str = ""
    until: str = ""
    confirm: str = ""
    ignore_case: bool = False
    answers: bool = True
    reach: int = 60

    def head(self) -> str:
        """Give the search pattern of where a value begins."""
        return f"{'(?i)' if self.ignore_case else ''}{self.pattern}"

    def source(self) -> str:
        """Give the whole search pattern."""
        tail = f"{self.run}*" if self.run else f"(?:[\\s\\S]*?{self.until}|[\\s\\S]*)" if self.until else ""
        return f"{self.head()}{tail}"
