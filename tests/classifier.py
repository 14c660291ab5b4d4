"""A real statistical model: naive Bayes over words, trained on texts written for this project."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

LABELS = ("billing", "delivery", "technical")
# What people write about each subject; the last list is what they write about any.
PHRASES = {
    "billing": (
        "I was charged twice for the same month", "the invoice shows the wrong address", "my card was declined",
        "please refund the last payment", "the discount is missing from my bill", "why did the price go up",
        "I need a receipt for my taxes", "cancel my subscription before it renews", "the tax number is missing",
        "the amount does not match my order", "I paid by bank transfer last week", "the fee was never mentioned",
    ),
    "delivery": (
        "the parcel has not arrived", "the courier left it with a neighbour", "tracking has not moved for days",
        "the box was damaged when it came", "can you send it to another address", "one item is missing from the parcel",
        "it was delivered to the wrong house", "when will my order be shipped", "I was not at home when they came",
        "the delivery window is too long", "the return label does not print", "the wrong size was sent",
    ),
    "technical": (
        "the app crashes when I open it", "I cannot log in any more", "the page stays blank", "it shows an error",
        "the password reset mail never comes", "the screen freezes after the update", "it does not connect to my phone",
        "the battery drains within an hour", "the export button does nothing", "the sound cuts out",
        "my settings are lost after a restart", "the code from the SMS is not accepted",
    ),
}  # fmt: skip
ANY = (
    "please help", "this is the second time I write", "I am not happy with this", "thank you in advance",
    "I have been a customer for years", "nobody answers the phone", "it happened on Monday", "my order number is below",
    "I tried everything on your page", "it worked before", "please answer by mail", "this is urgent",
)  # fmt: skip


@dataclass(frozen=True)
class Text:
    words: str
    label: str


def write(chance: random.Random) -> Text:
    """Write a message about one subject, with asides, some of them about another."""
    label = chance.choice(LABELS)
    parts = [chance.choice(PHRASES[label])] if chance.random() < 0.95 else []
    parts += chance.choices(ANY, k=chance.randint(1, 2))
    if chance.random() < 0.3:
        parts.append(chance.choice(PHRASES[chance.choice(LABELS)]))
    chance.shuffle(parts)
    words = " ".join(parts).split()
    kept = [word for word in words if chance.random() < 0.8]
    return Text(" ".join(kept or words), label)


class Classifier:
    """Multinomial naive Bayes with smoothing."""

    def __init__(self, texts: Sequence[Text]) -> None:
        self.labels = sorted({text.label for text in texts})
        self._counts = {label: Counter[str]() for label in self.labels}
        for text in texts:
            self._counts[text.label].update(text.words.lower().split())
        self._vocabulary = len(set().union(*self._counts.values()))
        self._totals = {label: sum(counts.values()) for label, counts in self._counts.items()}

    def probabilities(self, words: str) -> dict[str, float]:
        """Give the probability of each label."""
        logs = {
            label: sum(
                math.log((self._counts[label][word] + 0.5) / (self._totals[label] + 0.5 * self._vocabulary))
                for word in words.lower().split()
            )
            for label in self.labels
        }
        most = max(logs.values())
        scaled = {label: math.exp(log - most) for label, log in logs.items()}
        total = sum(scaled.values())
        return {label: value / total for label, value in scaled.items()}

    def answer(self, words: str) -> tuple[str, float]:
        """Give the most probable label and its probability."""
        found = self.probabilities(words)
        label = max(found, key=lambda each: found[each])
        return label, found[label]
