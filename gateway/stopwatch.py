"""How long each stage of a call took."""

from collections.abc import Callable
from typing import Self


class Stages:
    """Measures the stages of a call, one after the other: `with watch("clear"): ...`."""

    __slots__ = ("_began", "_clock_ns", "_name", "spent_ns")

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._name, self._began = "", 0
        self.spent_ns: dict[str, int] = {}

    def next(self, name: str) -> Self:
        """Name the stage that begins with the `with` statement."""
        self._name = name
        return self

    def __enter__(self) -> None:
        self._began = self._clock_ns()

    def __exit__(self, *_: object) -> None:
        name = self._name
        self.spent_ns[name] = self.spent_ns.get(name, 0) + self._clock_ns() - self._began
