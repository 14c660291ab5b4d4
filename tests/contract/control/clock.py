"""A clock that moves when it is told to."""

SECOND_US = 1_000_000


class Clock:
    def __init__(self) -> None:
        self.now_us = 1_795_000_000 * SECOND_US

    def __call__(self) -> int:
        return self.now_us

    def advance(self, seconds: float) -> None:
        self.now_us += int(seconds * SECOND_US)
