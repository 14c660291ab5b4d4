"""What became of the columns of a record that was filled in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from automations.connectors.base import Refused


@dataclass(frozen=True, slots=True)
class Filled:
    """What became of each column: written, or left alone because a person's value stands there."""

    written: tuple[str, ...]
    kept: tuple[str, ...]


class Records(Protocol):
    """A place where records are filled in and what a person wrote is never replaced."""

    def fill(
        self, row: Any, values: Mapping[str, Any], sources: Mapping[str, str], key: str, run: str = ""
    ) -> Filled: ...


@dataclass(frozen=True, slots=True)
class Nowhere:
    """No place is named yet: whatever is to be written is refused, with the sentence that says how to name one."""

    sentence: str

    def fill(self, row: Any, values: Mapping[str, Any], sources: Mapping[str, str], key: str, run: str = "") -> Filled:
        """Refuse it."""
        raise Refused(self.sentence)
