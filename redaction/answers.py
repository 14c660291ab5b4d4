"""What streams ask of the recognizers: which can match, and from where on a match may have begun."""

import re
from collections.abc import Iterable
from functools import lru_cache

from redaction import placeholders
from redaction.find import decode_piece
from redaction.linear import Linear, LinearSet
from redaction.normalise import Normaliser
from redaction.pattern import MAX_WIDTH, analyse, characters, lead_of
from redaction.recognizers.base import Recognizer
from redaction.recognizers.catalogue import BUILT_IN
from redaction.scan import ENCODED, FLOOR, Match, Scanner

LOOK_BACK = 128  # folded characters kept before the undecided text, for context and word borders
# Encoded pieces no longer than what may be held; longer ones are not looked into.
_PIECE = Recognizer("encoded", ENCODED, r"\b[A-Za-z0-9+/_-]{16,60}={0,2}", FLOOR)

# Text that is no match and begins none that reaches over a space: letters and plain marks, and none of these words.
_WORDS = (
    r"pass|pwd|kennwort|contrase|pin\b|secret|token|key|bearer|authorization|curl|cookie|session|begin"
    r"|putty|born|birth|dob|d\.o\.b|geb(?:oren|urt)|naiss"
    r"|nacim|nacid|nascid|nascim|nascita|\bnat[oa]\b|geb\b|geboort|f.dd|f.dels|urodz|versicher"
    r"|\bn.e?\b|bic\b|swift|plate|registration|reg\b|kennzeichen|immatric|matricula|targa|zip|postal|code"
    r"|plz|cap\b|cp\b|codigo|p\.?o\b|box|postfach"
    r"|apartado|casella|stra(?:ss|.|s)e|str\.|gasse|platz|weg|allee|ufer|damm|gatan|v.gen|veien|gade|vej"
    r"|katu|laan|straat|plein|utca"
)
_PLAIN = re.compile(
    r"[A-Za-z\s,.;!?'\"À-ÖØ-öø-ſ’‘“”–—…-]*+(?<!-)(?<!\b[A-Z])(?<!\b[A-Z]{2})(?<!\b[A-Z]\s)(?<!\b[A-Z]{2}\s)"
)
_CALM_BREAK = Linear(rf"(?i)--|[A-Za-z]{{16}}|{_WORDS}")
_KEPT_WORDS = 512
_SPACES = frozenset(b" \t\n\r")
_SPACE_BYTES = (b" ", b"\n", b"\t", b"\r")
_NUMBER_BYTES = b"0123456789 ./()+-,"
_NUMBER = frozenset(_NUMBER_BYTES)
_NUMBER_JOINTS = b" ./)-,"
_BUILT_IN = frozenset((placeholders.REWRITTEN, _PIECE, *BUILT_IN))
_KEYWORD = Linear(f"(?i){_WORDS}")


class AnswerEngine:
    """Compiled recognizers of answers; shared, and unchanged but for the harmless words that it remembers."""

    def __init__(self, recognizers: Iterable[Recognizer]) -> None:
        found = (placeholders.REWRITTEN, *(r for r in recognizers if r.answers and _fits(r)), _PIECE)
        self.normaliser = Normaliser()
        self._harmless: set[str] = set()  # words of the protocol in which nothing was found
        self.scanner = Scanner(found)
        self._knows_calm = frozenset(found) <= _BUILT_IN
        leading = [r for r in found if r.group and analyse(lead_of(r.pattern)).least > 0]
        plain = [r for r in found if r not in leading and _is_spaced(r.pattern)]
        begins = [analyse(r.pattern, r.ignore_case).begins for r in plain]
        self._live = Linear(f"(?:{'|'.join(f'(?:{part})' for part in begins)})\\z")
        wholes = [f"(?:{analyse(r.pattern, r.ignore_case).begins})\\z" for r in leading]
        self._lead_set = LinearSet([_lead(r) for r in leading])
        self._wholes = tuple(Linear(whole) for whole in wholes)
        self._leads = tuple(Linear(_lead(r)) for r in leading)
        self._numbers = {r.name: number for number, r in enumerate(leading)}

    def is_calm(self, text: str) -> bool:
        """Say whether nothing in `text` can be a match, or begin one that reaches over a space.

        That is known of the built-in recognizers only.
        """
        if not self._knows_calm or _PLAIN.fullmatch(text) is None:
            return False
        return _CALM_BREAK.first(_ascii(text)) < 0

    def may_hold(self, word: str) -> bool:
        """Say whether anything could be found in a word of ASCII, whatever stands around it."""
        if word in self._harmless:
            return False
        found = [one.recognizer for one in self.scanner.candidates(word.encode("ascii"))]
        able = [one.kind for one in found if one.score >= FLOOR]  # the others need words before them
        if any(kind != ENCODED for kind in able) or (able and decode_piece(word) is not None):
            return True
        if len(self._harmless) >= _KEPT_WORDS:
            self._harmless.clear()
        self._harmless.add(word)
        return False

    def may_end_elsewhere(self, match: Match, data: bytes) -> bool:
        """Say whether more text could move the value of a match that has a lead, from where it began."""
        number = self._numbers.get(match.compiled.recognizer.name)
        return number is not None and self._wholes[number].here(data, match.began) == len(data)

    def live(self, data: bytes, base: int) -> int:
        """Give the offset from which on a match may have begun that more text could complete."""
        start = max(base, _word_or_number(data))
        found = self._live.first(data, base)
        start = min(start, found) if found >= 0 else start
        since = max(0, base - MAX_WIDTH)
        for number in self._lead_set.hits(data[since:]):
            began = self._wholes[number].first(data, since)
            value = self._leads[number].here(data, began) if began >= 0 else -1
            if value >= 0:
                start = min(start, max(base, value))
        return start


def _word_or_number(data: bytes) -> int:
    """Give where the last word begins, or the numbers at the end: all matches without letters and spaces together."""
    size = len(data)
    last = data[max(0, size - MAX_WIDTH) :]
    word = size - len(last) + max(map(last.rfind, _SPACE_BYTES)) + 1
    numbers = len(last.rstrip(_NUMBER_BYTES))
    rest = last[numbers:].lstrip(_NUMBER_JOINTS)
    return min(word, size - len(rest))


def has_keyword(text: str) -> bool:
    """Say whether a word stands in `text` after which plain words can be values."""
    return _KEYWORD.first(_ascii(text)) >= 0


def _ascii(text: str) -> bytes:
    """Give text as the keywords are looked for in it, which have no marks but where they stand for any letter."""
    return text.encode("ascii") if text.isascii() else text.encode("ascii", "replace")


@lru_cache(maxsize=8)
def answer_engine(recognizers: tuple[Recognizer, ...]) -> AnswerEngine:
    """Give the engine of a set of recognizers, compiled once."""
    return AnswerEngine(recognizers)


def _is_spaced(pattern: str) -> bool:
    """Say whether matches can hold spaces beside other characters than those of numbers."""
    held = characters(pattern)
    return bool(_SPACES & held) and not held <= _NUMBER


def _fits(recognizer: Recognizer) -> bool:
    return analyse(recognizer.pattern).most <= MAX_WIDTH


def _lead(recognizer: Recognizer) -> str:
    """Give the pattern of what leads to a value, as short as it can be."""
    return ("(?i)" if recognizer.ignore_case else "") + lead_of(recognizer.pattern)
