"""The many short texts of a long request, such as a schema, are looked at together before each is by itself."""

from collections.abc import Iterable, Iterator

SHORT = 160  # characters
_TOGETHER = 2000  # characters of a group
Hinted = tuple[str, str]


class ShortTexts:
    """A `Visitor` that only notes short texts, with the names of the fields that they stand in."""

    def __init__(self) -> None:
        self.short: dict[Hinted, None] = {}

    def text(self, value: str, site: str, hint: str) -> str:
        """Note a short text."""
        if len(value) < SHORT:
            self.short[value, hint] = None
        return value

    def word(self, value: str, site: str) -> str:
        """Note an identifier."""
        return self.text(value, site, "")

    def parts(self, values: list[str], site: str) -> list[str]:
        """Note each part."""
        return [self.text(value, site, "") for value in values]

    def media(self, value: str, kind: str, site: str) -> None:
        """Media is not read."""


def groups(texts: Iterable[Hinted]) -> Iterator[list[Hinted]]:
    """Part texts into groups that are looked at in one step."""
    group: list[Hinted] = []
    size = 0
    for each in texts:
        group.append(each)
        size += len(each[0]) + 2 * len(each[1]) + 5
        if size > _TOGETHER:
            yield group
            group, size = [], 0
    yield group
