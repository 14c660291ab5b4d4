"""Figures in texts: numbers in digits and words, money, units, dates and times, in one form that can be compared."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, Self


def listed(words: str) -> list[str]:
    """Split a list of words."""
    return words.split()


_MONTH_NAMES: Final = listed("january february march april may june july august september october november december")
MONTHS: Final = {name: n for n, name in enumerate(_MONTH_NAMES, 1)} | {
    name[:3]: n for n, name in enumerate(_MONTH_NAMES, 1) if name != "may"
} | {"sept": 9}  # fmt: skip
_SMALL: Final = dict(zip(listed("zero one two three four five six seven eight nine ten"), range(11), strict=True))
_SMALL.update(zip(listed("eleven twelve thirteen fourteen fifteen sixteen"), range(11, 17), strict=True))
_SMALL.update(zip(listed("seventeen eighteen nineteen"), range(17, 20), strict=True))
_SMALL.update(zip(listed("twenty thirty forty fifty sixty seventy eighty ninety"), range(20, 100, 10), strict=True))
_POWERS: Final = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_SHORT: Final = {"k": 1e3, "m": 1e6, "mn": 1e6, "bn": 1e9, "b": 1e9}
_MONEY: Final = ("usd", "eur", "gbp", "jpy")
_OTHER: Final = {"dozen": 12.0, "twice": 2.0, "double": 2.0, "doubled": 2.0, "triple": 3.0, "tripled": 3.0, "half": 0.5}
_ORDINALS: Final = dict(
    zip(listed("first second third fourth fifth sixth seventh eighth ninth tenth"), range(1, 11), strict=True)
)
# Unit -> dimension and size.
_UNITS: Final[dict[str, tuple[str, float]]] = {
    name: (dimension, size)
    for dimension, sizes in {
        "%": {1.0: "% percent pct"},
        "usd": {1.0: "$ usd dollar dollars", 0.01: "cent cents"},
        "eur": {1.0: "€ eur euro euros"},
        "gbp": {1.0: "£ gbp pound-sterling"},
        "jpy": {1.0: "¥ jpy yen"},
        "m": {
            1.0: "metre metres meter meters", 1e3: "km kilometre kilometres kilometer kilometers",
            0.01: "cm centimetres", 0.001: "mm", 1609.344: "mile miles", 0.3048: "foot feet ft", 0.0254: "inch inches",
        },
        "g": {1.0: "g gram grams", 1e3: "kg kilogram kilograms kilo kilos", 1e-3: "mg milligrams",
              1e6: "ton tons tonne tonnes",
              453.592: "lb lbs pounds"},
        "l": {1.0: "l litre litres liter liters", 1e-3: "ml"},
        "s": {1.0: "s sec second seconds", 60.0: "min mins minute minutes", 3600.0: "h hr hrs hour hours",
              86400.0: "day days", 604800.0: "week weeks", 1e-3: "ms millisecond milliseconds"},
        "month": {1.0: "month months", 12.0: "year years yr yrs", 120.0: "decade decades"},
        "byte": {1e3: "kb", 1e6: "mb megabyte megabytes", 1e9: "gb gigabyte gigabytes", 1e12: "tb terabyte terabytes"},
        "c": {1.0: "°c celsius"}, "f": {1.0: "°f fahrenheit"},
        "w": {1.0: "watt watts", 1e3: "kw", 1e6: "mw", 1e9: "gw"},
    }.items()
    for size, names in sizes.items()
    for name in names.split()
}  # fmt: skip
_NUMBER: Final = re.compile(r"([$€£¥]|(?:USD|EUR|GBP|JPY)\s)?\s?(-?\d+(?:,\d{3})*(?:\.\d+)?)(st|nd|rd|th)?\s?(%?)")


class Figure(NamedTuple):
    """A value with its dimension; what is no plain number (days, months, times, ranks) has a dimension of its own."""

    value: float
    dimension: str = ""

    @property
    def key(self) -> str:
        return f"{self.dimension}:{self.value:g}"

    def joined(self, word: str) -> Self | None:
        """Join the word after it: a unit, a magnitude, a month; None where it is none."""
        if self.dimension == "" and word in MONTHS and 1 <= self.value <= 31:
            return self._replace(dimension="day")
        if word in _POWERS or (word in _SHORT and self.dimension in _MONEY):
            return self._replace(value=self.value * (_POWERS.get(word) or _SHORT[word]))
        unit = _UNITS.get(word)
        if unit is None or self.dimension:
            return None
        return self._replace(value=self.value * unit[1], dimension=unit[0])

    def fits(self, other: "Figure") -> bool:
        """Say whether two figures may be the same: equal values, and no two different dimensions."""
        if abs(self.value - other.value) > 1e-6 * max(abs(self.value), abs(other.value), 1e-3):
            return (self, other) in _HALVES
        return self.dimension == other.dimension or not self.dimension or not other.dimension

    @classmethod
    def of_words(cls, words: Sequence[str]) -> Self:
        """Read a number in words."""
        total, part = 0.0, 0.0
        for word in (piece for each in words for piece in each.split("-")):
            if word in _SMALL:
                part += _SMALL[word]
            elif word in _OTHER:
                part = max(part, 1.0) * _OTHER[word]
            elif word == "hundred":
                part = max(part, 1.0) * 100
            elif word in _POWERS:
                total, part = total + max(part, 1.0) * _POWERS[word], 0.0
        return cls(total + part)


# A half is 50 percent.
_HALVES: Final = ((Figure(0.5), Figure(50.0, "%")), (Figure(50.0, "%"), Figure(0.5)))


class Figures:
    """The figures of a text, to be asked for one that may be the same."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self._all = frozenset(figures)
        self._sorted = sorted(self._all)
        days = {int(f.value) for f in self._all if f.dimension == "day"}
        months = {int(f.value) for f in self._all if f.dimension == "month_of_year"}
        self._dates = {Figure(min(d, m) * 100 + max(d, m), "day_month") for d in days for m in months}

    def knows(self, figure: Figure) -> bool:
        """Say whether one fits."""
        if figure in self._all or figure in self._dates:
            return True
        if any(one == figure and other in self._all for one, other in _HALVES):
            return True
        slack = 2e-6 * max(abs(figure.value), 1e-3)
        at = bisect_left(self._sorted, Figure(figure.value - slack))
        while at < len(self._sorted) and self._sorted[at].value <= figure.value + slack:
            if figure.fits(self._sorted[at]):
                return True
            at += 1
        return False


def number_words(low: str) -> bool:
    """Say whether a word belongs to a number."""
    pieces = low.split("-")
    return all(piece in _SMALL or piece in _POWERS or piece in _OTHER or piece in _ORDINALS for piece in pieces)


def ordinal(words: Sequence[str]) -> Figure | None:
    """Read `third` or `twenty-third`."""
    last = words[-1].split("-")[-1]
    if last not in _ORDINALS:
        return None
    tens = sum(_SMALL.get(piece, 0) for word in words for piece in word.split("-") if piece != last)
    return Figure(tens + _ORDINALS[last], "rank")


def figure(kind: str, text: str, after_month: bool) -> Iterator[Figure]:
    """Read a token of digits; a date gives several figures."""
    if kind == "iso":
        year, month, day = map(int, text.split("-"))
        yield from (Figure(year), Figure(month, "month_of_year"), Figure(day, "day"))
    elif kind == "dmy":
        first, second, year = (int(part) for part in re.split("[/.]", text))
        yield Figure(year)
        yield Figure(min(first, second) * 100 + max(first, second), "day_month")
    elif kind == "time":
        yield Figure(_minutes(text), "clock")
    else:
        yield _number(text, after_month=after_month)


def _minutes(text: str) -> int:
    low = text.lower().replace(".", "")
    hours, _, minutes = re.sub(r"[apm\s]", "", low).partition(":")
    hour = int(hours) % 12 if "m" in low else int(hours)
    return (hour + 12 * ("p" in low)) * 60 + int(minutes or 0)


def _number(text: str, *, after_month: bool) -> Figure:
    found = _NUMBER.fullmatch(text.strip())
    assert found is not None
    value = float(found[2].replace(",", ""))
    if after_month and 1 <= value <= 31:
        return Figure(value, "day")
    if found[3]:
        return Figure(value, "rank")
    unit = (found[1] or found[4]).strip().lower()
    return Figure(value, _UNITS[unit][0] if unit else "")
