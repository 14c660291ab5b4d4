"""Scores from models that were asked again: agreement among samples, and a second model's judgement."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from gateway.scorers.base import Seen, Signal, Told, parsed
from policy.blocks_output import SelfConsistencyScorer, VerifierScorer
from policy.prompts import Key, Prompt, refers
from policy.render import Unrenderable, render

_WORDS: Final = {"yes": 1.0, "true": 1.0, "correct": 1.0, "no": 0.0, "false": 0.0, "incorrect": 0.0}
_NUMBER: Final = re.compile(r"[01](?:\.\d+)?|\.\d+")


def agreement(scorer: SelfConsistencyScorer, seen: Seen, told: Told) -> Signal:
    """Score by how far other samples say the same: by field of their JSON, or by their words."""
    if len(told.texts) < scorer.samples - 1:
        return Signal("self_consistency", None, "no_samples", cost_usd=told.cost_usd)
    share = _by_field if scorer.agreement == "fields" else _by_words
    score = share(seen.text, told.texts, scorer.fields)
    return Signal("self_consistency", score, None if score is not None else "no_fields", cost_usd=told.cost_usd)


def verdict(told: Told) -> Signal:
    """Read a verifier's answer: JSON with `score`, a number from 0 to 1, or yes or no."""
    score = _read(told.texts[0]) if told.texts else None
    return Signal("verifier", score, None if score is not None else "no_verdict", cost_usd=told.cost_usd)


def verifier_text(scorer: VerifierScorer, prompts: Mapping[Key, Prompt], question: str, answer: str) -> str | None:
    """Render the verifier's prompt, the newest version that its reference allows."""
    known = [prompt for key, prompt in prompts.items() if refers(scorer.prompt, key)]
    if not known:
        return None
    values = {"question": question, "answer": answer}
    try:
        return render(max(known, key=lambda prompt: prompt.version).text, values)
    except Unrenderable:
        return None


def _by_field(own: str, others: Sequence[str], fields: Sequence[str]) -> float | None:
    mine, theirs = parsed(own), [parsed(other) for other in others]
    if not isinstance(mine, dict) or not (names := fields or tuple(mine)):
        return None
    shares = [sum(_same(mine, other, name) for other in theirs) / len(theirs) for name in names]
    return sum(shares) / len(shares)


def _same(mine: Mapping[str, Any], other: Any, name: str) -> bool:
    return isinstance(other, dict) and _plain(mine.get(name)) == _plain(other.get(name))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(value.casefold().split())
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS) if isinstance(value, dict | list) else value


def _by_words(own: str, others: Sequence[str], _fields: Sequence[str]) -> float:
    """Give the mean overlap of words, counted as often as they stand (Dice)."""
    mine = Counter(own.casefold().split())
    return sum(_overlap(mine, Counter(other.casefold().split())) for other in others) / len(others)


def _overlap(one: Counter[str], other: Counter[str]) -> float:
    size = one.total() + other.total()
    return 2 * (one & other).total() / size if size else 1.0


def _read(text: str) -> float | None:
    value = parsed(text.strip())
    if isinstance(value, dict):
        value = value.get("score")
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float):
        return float(value) if 0 <= value <= 1 else None
    word = text.strip().strip(".!").casefold()
    if word in _WORDS:
        return _WORDS[word]
    found = _NUMBER.fullmatch(word)
    return float(found[0]) if found and float(found[0]) <= 1 else None
