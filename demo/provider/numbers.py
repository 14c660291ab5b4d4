"""The numbers a schema allows, and the nearest allowed one to a number that was found."""

import math
from dataclasses import dataclass

from demo.provider.schema import Schema

_HAIR = 1e-6


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a numeric field, both inclusive after adjustment; step is 0 for any number."""

    low: float
    high: float
    step: float
    whole: bool

    @classmethod
    def of(cls, node: Schema, *, whole: bool) -> "Range":
        """Read the bounds of a schema node."""
        step = float(node.get("multipleOf", 1 if whole else 0))
        nudge = step or _HAIR
        low, high = float(node.get("minimum", -math.inf)), float(node.get("maximum", math.inf))
        if (above := node.get("exclusiveMinimum")) is not None and not isinstance(above, bool):
            low = max(low, float(above) + nudge * (not step or float(above) % step == 0))
        if (below := node.get("exclusiveMaximum")) is not None and not isinstance(below, bool):
            high = min(high, float(below) - nudge * (not step or float(below) % step == 0))
        return cls(low, high, step, whole)

    def holds(self, value: float) -> bool:
        """Say whether a number is allowed."""
        stepped = not self.step or math.isclose(value / self.step, round(value / self.step), abs_tol=1e-9)
        return self.low <= value <= self.high and stepped

    def at(self, share: float) -> float:
        """Give the allowed number that lies at a share (0..1) of the range; open ranges count as 0..100 or 0..1."""
        low, high = self._span()
        value = low + share * (high - low)
        if self.step:
            rounded = round(value / self.step) * self.step
            value = min(max(rounded, math.ceil(low / self.step) * self.step), math.floor(high / self.step) * self.step)
        return min(max(value, self.low), self.high)

    def render(self, value: float) -> str:
        """Write a number as JSON."""
        if self.whole or value == int(value):
            return str(int(value))
        return f"{round(value, 2)!r}" if self.holds(round(value, 2)) else repr(value)

    def _span(self) -> tuple[float, float]:
        width = 100.0 if self.whole else 1.0
        if math.isinf(self.low):
            low = 0.0 if self.high >= 0 else self.high - width
            return low, min(self.high, low + width)
        return self.low, self.high if not math.isinf(self.high) else self.low + width
