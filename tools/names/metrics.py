"""Measures of a names detector: spans by overlap, letters left in clear, letters hidden for nothing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tools.names.corpus import Row, Span


def overlap(a: Span, b: Span) -> float:
    """Return intersection over union of two spans, in characters."""
    both = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    return both / ((a[1] - a[0]) + (b[1] - b[0]) - both) if both else 0.0


@dataclass
class Tally:
    """Counts over many texts; labels `ALL` ignore the type."""

    hits: Counter[str] = field(default_factory=Counter)
    gold: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    letters: Counter[str] = field(default_factory=Counter)
    leaked: Counter[str] = field(default_factory=Counter)
    plain_letters: int = 0
    hidden_letters: int = 0

    def add(self, row: Row, found: Sequence[Span], least: float) -> None:
        """Count one text; a span is hit when one of its type overlaps it by at least `least`."""
        self._spans([*row.spans], [*found], least)
        self._spans(merged(row.text, row.spans), merged(row.text, found), least)
        covered, personal = bytearray(len(row.text)), bytearray(len(row.text))
        for start, end, _ in found:
            covered[start:end] = b"\1" * (end - start)
        for start, end, label in row.spans:
            personal[start:end] = b"\1" * (end - start)
            inside = [i for i in range(start, end) if row.text[i].isalnum()]
            leaked = sum(not covered[i] for i in inside)
            for key in (label, "ALL"):
                self.letters[key] += len(inside)
                self.leaked[key] += leaked
        plain = [i for i, char in enumerate(row.text) if char.isalnum() and not personal[i]]
        self.plain_letters += len(plain)
        self.hidden_letters += sum(covered[i] for i in plain)

    def _spans(self, gold: list[Span], found: list[Span], least: float) -> None:
        free = [*found]
        for span in gold:
            best = max(free, key=lambda other, span=span: overlap(span, other) * (other[2] == span[2]), default=None)  # type: ignore[misc]
            if best and best[2] == span[2] and overlap(span, best) >= least:
                self.hits[span[2]] += 1
                free.remove(best)
        self.gold.update(span[2] for span in gold)
        self.found.update(span[2] for span in found)

    def scores(self, label: str) -> tuple[float, float, float]:
        """Return precision, recall and F2."""
        precision = self.hits[label] / max(1, self.found[label])
        recall = self.hits[label] / max(1, self.gold[label])
        return precision, recall, 5 * precision * recall / max(1e-9, 4 * precision + recall)

    def leak(self, label: str) -> float:
        """Return the share of personal letters left in clear."""
        return self.leaked[label] / max(1, self.letters[label])

    def over(self) -> float:
        """Return the share of plain letters hidden."""
        return self.hidden_letters / max(1, self.plain_letters)


def merged(text: str, spans: Iterable[Span]) -> list[Span]:
    """Return spans without their type, neighbours with only white space or signs between them joined."""
    out: list[Span] = []
    for start, end, _ in sorted(spans):
        if out and not any(c.isalnum() for c in text[out[-1][1] : start]) and start - out[-1][1] <= 2:
            out[-1] = (out[-1][0], max(end, out[-1][1]), "ALL")
        else:
            out.append((start, end, "ALL"))
    return out
