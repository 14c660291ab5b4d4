"""One rule for overlaps: all letters and digits of overlapping entities go, under the best of their labels."""

import re
from collections.abc import Iterable, Iterator

from redaction.scan import SECRETS
from redaction.types import Entity

_PLACES = frozenset({"LOCATION", "STREET_ADDRESS", "POSTCODE"})
# Words that say what the value behind them is; a guess that runs into that value holds them for nothing.
_LABEL = re.compile(
    r"(?i)(?:^|[^\w-])((?:(?:e-?mail|mail|mobile?|mobil|tel|tele?f[oó]no?|telefone?|phone|fax|cell|celular|iban|bic|swift|cvv|pin"
    r"|steuer-?id|pesel|nip|cpf|cnpj|nif|dni|nie|bsn|ssn|vat|ring|bel|ll[aá]menos|rachunek|konto|compte|conto|cuenta|rekening"
    r"|faktura|invoice|nr|no)\W*)+)\Z"
)


def resolve(entities: Iterable[Entity], text: str) -> list[Entity]:
    """Merge overlapping entities of `text` under the label that `rank` puts first.

    A guessed name keeps only what it has beside values of a known form: guesses run on over the numbers behind them.
    """
    formed: list[Entity] = []
    guessed: list[Entity] = []
    for entity in entities:
        (guessed if is_guessed(entity) else formed).append(entity)
    known = _merge(formed)
    return (
        _merge([*known, *(piece for guess in guessed for piece in _beside(guess, known, text))]) if guessed else known
    )


def is_guessed(entity: Entity) -> bool:
    """Say whether the names model guessed an entity."""
    return entity.recognizer.startswith("names")


def rank(entity: Entity) -> tuple[bool, bool, float, int]:
    """Give what decides between labels: secrets, then values of a known form, then the score, then the length.

    A model that guesses names is sure of its guess in its own way; a card number that checks is a card number.
    """
    return entity.kind in SECRETS, not is_guessed(entity), entity.score, entity.end - entity.start


def _merge(entities: Iterable[Entity]) -> list[Entity]:
    merged: list[Entity] = []
    for entity in sorted(entities, key=lambda found: (found.start, -found.end)):
        if merged and entity.start < merged[-1].end:
            merged[-1] = _union(merged[-1], entity)
        else:
            merged.append(entity)
    return merged


def _beside(guess: Entity, known: list[Entity], text: str) -> Iterator[Entity]:
    """Give the pieces of a guess outside of known values; an address is one value with its parts."""
    since = guess.start
    for value in known:
        if value.end <= since or value.start >= guess.end or (guess.kind in _PLACES and value.kind in _PLACES):
            continue
        yield from _piece(guess, since, value.start, text)
        since = value.end
    yield from _piece(guess, since, guess.end, text)


def _piece(guess: Entity, start: int, end: int, text: str) -> Iterator[Entity]:
    """Give a part of a guess without the marks and spaces around it, when anything is left."""
    if (start, end) == (guess.start, guess.end):
        yield guess
        return
    if end < guess.end and (label := _LABEL.search(text, start, end)) is not None:
        end = label.start(1)
    held = [place for place in range(start, end) if text[place].isalnum()]
    if held:
        yield Entity(guess.kind, held[0], held[-1] + 1, guess.score, guess.recognizer)


def _union(left: Entity, right: Entity) -> Entity:
    best = max(left, right, key=rank)
    return Entity(best.kind, left.start, max(left.end, right.end), best.score, best.recognizer)
