"""Finds the values that a named field may take in a text: patterns, "key: value" lines, names, numbers, sentences."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from demo.provider.ranking import bm25, textrank
from demo.provider.words import likeness, name_words, overlap, sentences, stems, telling, words, wordset

_UPPER = "A-ZÀ-ÖØ-Þ"
_NAME = rf"\b[{_UPPER}][\w'’-]{{1,30}}(?: (?:[A-Z]\.|van|de|von|da|[{_UPPER}][\w'’-]{{1,30}})){{0,2}}"
_MONTHS = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_CURRENCY = "(?:[€$£]|EUR|USD|GBP|euros?|dollars?|pounds?)"


def _any(*patterns: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile("|".join(patterns), flags)


_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
_PHONE = re.compile(r"(?<![\w.])\+?\d[\d ()/.-]{6,18}\d(?!\w)")
_URL = _any(
    r"(?:https?://|www\.)[^\s<>\"')\]]{1,500}", r"(?<![@\w.-])[\w-]{1,63}\.(?:com|org|net|example|io|de|fr|eu|co\.uk)\b"
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
_DATE = _any(
    r"\b\d{4}-\d\d-\d\d\b",
    r"\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b",
    rf"\b\d{{1,2}}(?:st|nd|rd|th)? {_MONTHS}(?: \d{{4}})?\b",
    rf"\b{_MONTHS} \d{{1,2}}(?:, \d{{4}})?\b",
    r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b",
    r"\b(?:today|tomorrow|tonight|(?:next|this) (?:week|month|quarter|year))\b",
)
_REFERENCE = re.compile(r"\b(?:[A-Z]{1,4}-?)?\d[\d-]{2,24}\b|#\w{3,24}")
_MONEY = _any(
    rf"{_CURRENCY} ?\d[\d.,]{{0,14}}(?: ?[km]\b)?", rf"\b\d[\d.,]{{0,14}}(?: ?[km])? ?{_CURRENCY}", r"\b\d{1,9} ?[kK]\b"
)
_OFFICE = "(?:[Cc]ontact|[Bb]uyer|[Oo]wner|[Dd]irector|[Ll]ead|[Mm]anager|[Bb]ursar|[Pp]rocurement|C[A-Z]O)"
_PERSON = _any(
    rf"{_OFFICE}(?: is|:)? ({_NAME})",
    rf"(?:I am|I'm|name is|this is|spoke (?:to|with)|[Cc]all with|met|Mrs?\.?|Ms\.?|Dr\.?) ({_NAME})",
    rf"(?:[Rr]egards|[Tt]hanks|[Ww]ishes|[Cc]heers),?\s({_NAME})",
    rf"^({_NAME})(?= ?[<(,]|$)",
    flags=re.MULTILINE,
)
_LEGAL_FORM = "(?:Ltd|GmbH|Inc|LLC|AG|AS|SA|SARL|BV|Oy|AB|SpA|KG|plc|Group|Corp)"
_COMPANY = _any(
    rf"(\b(?:[{_UPPER}][\w&'’-]{{0,30}} ){{1,4}}{_LEGAL_FORM}\b\.?)",
    rf"(?:\bat|\bfrom|\bfor) ({_NAME})",
)
_PLACE = re.compile(rf"(?:\bin|\bfrom|\bto|\bnear) ({_NAME})")
_TAG = _any(
    r"[\[<{(]{1,2}([A-Z][A-Z_]{1,40})[\w-]{0,40}[\]>})]{1,2}", r"\b([A-Z][A-Z_]{0,40}[A-Z])_\d{1,9}(?:_\w{1,20})?\b"
)
_PAIR = re.compile(r"^[^\w\n]{0,8}([A-Za-z][\w /-]{1,30}?)[ \t]{0,8}[:=][ \t]{0,8}(\S.{0,400})$", re.MULTILINE)
_NUMBER = _any(
    r"(?<![\w.,-])[-+]?\d{1,3}(?:,\d{3}){1,4}(?:\.\d{1,6})?(?!\w)",
    r"(?<![\w.,-])[-+]?\d{1,15}(?:\.\d{1,9})?(?: ?[kK]\b)?(?!\w)",
)
_FORMULA = wordset("regards hi hello dear thanks best kind cheers sincerely greetings hey yours dr mr mrs ms")
_BROAD = wordset("number id no code address reference")
_SUMS = wordset("amount budget price cost money value revenue total sum spend")

_KINDS: Sequence[tuple[frozenset[str], re.Pattern[str]]] = (
    (wordset("email mail"), _EMAIL),
    (wordset("phone telephone mobile tel fax"), _PHONE),
    (wordset("url website link homepage domain site"), _URL),
    (wordset("iban"), _IBAN),
    (wordset("card"), _CARD),
    (wordset("date deadline due day when since until timeline start"), _DATE),
    (wordset("amount budget price cost money value"), _MONEY),
    (wordset("number id reference ref no order invoice"), _REFERENCE),
    (wordset("company organisation organization employer firm business"), _COMPANY),
    (wordset("person contact customer sender author name owner buyer decision maker"), _PERSON),
    (wordset("country city location place town region"), _PLACE),
)
_TELLING = wordset("summary description overview gist synopsis")
_TITLE = wordset("title subject headline topic")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value with its score and whether the text really named it (and not only resembles it)."""

    value: str
    score: float
    named: bool


def strings(name: str, description: str, text: str) -> list[Candidate]:
    """Give the candidates of a string field, best first."""
    found = [*_pairs(name, text), *_tags(name, text), *_patterns(name, text)]
    found = found or _sentences(name, description, text)
    return sorted(_distinct(found), key=lambda candidate: -candidate.score)[:8]


def numbers(name: str, description: str, text: str) -> list[tuple[float, float]]:
    """Give (number, score) of a numeric field, best first; the words around a number speak for it."""
    wanted, named = stems(f"{name_words(name)} {description}"), set(words(name_words(name)))
    found = []
    for match in _NUMBER.finditer(text):
        around = text[max(0, match.start() - 40) : match.start()] + " " + text[match.end() : match.end() + 30]
        money = bool(_SUMS & named and re.search(_CURRENCY, text[max(0, match.start() - 4) : match.end() + 7]))
        found.append((_value(match.group()), 3 * overlap(wanted, stems(around)) + money + 0.2))
    return sorted(found, key=lambda item: -item[1])[:8]


def matches(pattern: re.Pattern[str], text: str) -> list[str]:
    """Give all texts a pattern matches; of several groups, the one that took part."""
    return [
        next((group for group in match.groups() if group), match.group()).strip() for match in pattern.finditer(text)
    ]


def dates(text: str) -> list[str]:
    """Give the ISO dates of a text."""
    return re.findall(r"\b\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])\b", text)


def emails(text: str) -> list[str]:
    """Give the e-mail addresses of a text."""
    return _EMAIL.findall(text)


def _value(text: str) -> float:
    thousand = text[-1] in "kK"
    return float(text.rstrip("kK ").replace(",", "")) * (1000 if thousand else 1)


def _pairs(name: str, text: str) -> Iterator[Candidate]:
    for match in _PAIR.finditer(text):
        fit = _named_like(name, match.group(1))
        if fit >= 0.6:
            yield Candidate(match.group(2).rstrip(), 3 * fit, named=True)


def _named_like(name: str, other: str) -> float:
    ours, theirs = words(name_words(name)), words(other)
    if not ours or not theirs:
        return 0.0
    return sum(max(likeness(mine, their) for their in theirs) for mine in ours) / max(len(ours), len(theirs))


def _tags(name: str, text: str) -> Iterator[Candidate]:
    named = set(words(name_words(name)))
    related = named.union(*(cues for cues, _ in _KINDS if cues & named)) - _BROAD
    for rank, match in enumerate(_TAG.finditer(text)):
        if related & set(words((match.group(1) or match.group(2)).replace("_", " "))):
            yield Candidate(match.group(), 2.0 * 0.9**rank, named=True)


def _patterns(name: str, text: str) -> Iterator[Candidate]:
    named = set(words(name_words(name)))
    for cues, pattern in _KINDS:
        if named & cues:
            found = [value for value in matches(pattern, text) if _plausible(value, pattern)]
            for rank, value in enumerate(found):
                yield Candidate(value, 1.6 * 0.6**rank + _announced(value, named, text), named=True)


def _announced(value: str, named: set[str], text: str) -> float:
    before, _, _ = text.partition(value)
    return 1.0 * overlap(sorted(named - _BROAD), words(before[-24:]))


def _plausible(value: str, pattern: re.Pattern[str]) -> bool:
    return not _FORMULA & set(words(value)) and not (pattern is _PHONE and _DATE.fullmatch(value))


def _sentences(name: str, description: str, text: str) -> list[Candidate]:
    parts = telling(sentences(text)[:40])
    named = set(words(name_words(name)))
    if not parts:
        return []
    if named & _TITLE:
        return [Candidate(part[:80], 1.0 / (1 + at), named=False) for at, part in enumerate(parts[:3])]
    scores = [0.0] if named & _TELLING else bm25(f"{name_words(name)} {description}", parts)
    if not any(scores):
        scores = textrank(parts)
    return [Candidate(part, score, named=False) for part, score in zip(parts, scores, strict=True)]


def _distinct(found: Sequence[Candidate]) -> list[Candidate]:
    best: dict[str, Candidate] = {}
    for candidate in found:
        known = best.get(candidate.value)
        if known is None or candidate.score > known.score:
            best[candidate.value] = candidate
    return list(best.values())


def mentions(name: str, text: str) -> float:
    """Give how likely a yes/no field holds: its words stand in the text, and no negation stands before them."""
    wanted = [word for word in stems(name_words(name)) if word not in _EMPTY]
    parts = [part for part in sentences(text) if overlap(wanted, stems(part)) > 0]
    if not parts:
        return 0.2
    best = max(parts, key=lambda part: overlap(wanted, stems(part)))
    strength = 0.45 + 0.4 * overlap(wanted, stems(best))
    return 1 - strength if _NEGATION & set(words(best)) else strength


_EMPTY = wordset("requir need contain includ flag want")
_NEGATION = wordset("not no never without none neither don't doesn't cannot can't didn't won't isn't")
