"""Writes prose: letters, summaries and answers made of the request's own sentences and a few connecting ones."""

from collections.abc import Mapping

from demo.provider import extract
from demo.provider.classifier import softmax
from demo.provider.language import LanguageModel
from demo.provider.ranking import bm25, textrank
from demo.provider.reading import Reading
from demo.provider.words import sentences, telling
from demo.provider.writer import Writer

_HEAT = 0.35
_MAX_SENTENCES = 40


def prose(writer: Writer, language: LanguageModel, reading: Reading) -> None:
    """Write the answer that the reading asks for."""
    if reading.task == "draft":
        letter(writer, language, reading)
    elif reading.task == "summary":
        summary(writer, reading.text or reading.context)
    else:
        answer(writer, language, reading)


def letter(writer: Writer, language: LanguageModel, reading: Reading) -> None:
    """Write a reply: greeting, acknowledgement, the facts that match, the next step, a closing."""
    about = reading.text or reading.instructions
    writer.copy(_with(language.sentences("greeting", about), "Dear {},", _named("customer name", about), 0.7))
    writer.say("\n\n")
    writer.copy(language.sentences("acknowledge", about))
    if facts := matching(about, reading.context):
        writer.say(" ")
        writer.copy(language.sentences("bridge", about))
        _pick(writer, facts, most=3, lead=" ")
    writer.say(" ")
    address = _named("email", about)
    writer.copy(_with(language.sentences("next", about), "You will hear from us at {}.", address, 0.3))
    writer.say("\n\n")
    writer.copy(language.sentences("closing", about))


def summary(writer: Writer, text: str, most: int = 3) -> None:
    """Write the sentences that stand for the text, the most telling first."""
    parts = telling(sentences(text)[:_MAX_SENTENCES])
    if not parts:
        writer.say("There is nothing to summarise.")
        return
    ranks = textrank(parts)
    _pick(writer, {part: 2 * rank for part, rank in zip(parts, ranks, strict=True)}, most=most, lead="")


def answer(writer: Writer, language: LanguageModel, reading: Reading) -> None:
    """Answer from the context by the sentences nearest to the question, else from the text itself."""
    if facts := matching(reading.text, reading.context):
        _pick(writer, facts, most=2, lead="")
        return
    if len(sentences(reading.text)) > 3:
        summary(writer, reading.text, most=2)
        return
    for function in ("greeting", "acknowledge", "next"):
        writer.copy(language.sentences(function, reading.text))
        writer.say("" if function == "next" else " ")


def matching(question: str, context: str) -> dict[str, float]:
    """Score the context's sentences against the question; empty when there is no context."""
    parts = sentences(context)[: 4 * _MAX_SENTENCES]
    scores = bm25(question, parts)
    ranked = sorted(zip(parts, scores, strict=True), key=lambda item: -item[1])[:12]
    return dict(ranked)


def _named(what: str, text: str) -> str | None:
    found = extract.strings(what, "", text)
    return found[0].value if found and found[0].named else None


def _with(shares: Mapping[str, float], sentence: str, value: str | None, share: float) -> Mapping[str, float]:
    """Let a sentence that uses a value of the text take part with its share."""
    if value is None:
        return shares
    return {sentence.format(value): share, **{text: rest * (1 - share) for text, rest in shares.items()}}


def _pick(writer: Writer, scores: Mapping[str, float], *, most: int, lead: str) -> None:
    remaining = dict(scores)
    best = max(remaining.values())
    for turn in range(most):
        worthwhile = [part for part, score in remaining.items() if turn == 0 or score >= best / 2]
        if not worthwhile:
            return
        space = lead if turn == 0 else " "
        shares = softmax({part: remaining[part] / _HEAT for part in worthwhile})
        chosen = writer.copy({space + part: share for part, share in shares.items()})
        remaining = _after(remaining, chosen.strip())


def _after(scores: Mapping[str, float], chosen: str) -> dict[str, float]:
    return {part: score for part, score in scores.items() if part[:24] != chosen[:24]}
