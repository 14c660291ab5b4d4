"""Back-pressure: a worker is at fewer runs while the gateway answers slowly, so that live calls stay quick."""

import threading
from dataclasses import dataclass, field
from typing import Final

_SLOW: Final = 3.0  # times the usual answer
_GRACE_S: Final = 0.015
_DRIFT: Final = 1.002  # the usual time grows by so much with each answer, lest one lucky answer count for ever
_LESS: Final = 0.5
_MORE: Final = 0.1  # so that in balance one answer of six is slow


@dataclass(slots=True)
class Pressure:
    """How many runs one worker may be at, from 1 to `most`.

    It looks at requests that ask no model, for a slow model says nothing about the gateway.
    """

    most: int
    _allowed: float = field(init=False)
    _usual_s: float = field(default=float("inf"), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self._allowed = float(self.most)

    @property
    def allowed(self) -> int:
        """Return how many runs may be under way now."""
        return int(self._allowed)

    def took(self, seconds: float) -> None:
        """Take note of how long the gateway took to answer."""
        with self._lock:
            self._usual_s = min(seconds, self._usual_s * _DRIFT)
            slow = seconds > self._usual_s * _SLOW + _GRACE_S
            self._allowed = min(max(1.0, self._allowed + (-_LESS if slow else _MORE)), float(self.most))
