"""What the names model looks at: feature strings of single words, and of words together with their neighbours."""

import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from redaction.names.tokens import Tokens

_FIELD_SIGNS = frozenset(":=>")
_VALUE_ENDS = frozenset(",;|}<&")
_VALUE_TOKENS = 8  # signs included


PLACES = ("", "-1", "1", "-2", "2")  # where a word stands, seen from another: itself, right before it, behind it, ...


class Word(NamedTuple):
    """What is to be known of a word; `kind` numbers its shape and gazetteer flags."""

    low: str
    shape: str
    flags: str
    kind: int = 0


EDGE = Word("<>", "", "")  # what stands before and after a text


class Lines(NamedTuple):
    """For each token the case of its line (M mixed, L lower, U upper) with ^ at its start, and the line's length."""

    cases: list[str]
    lengths: list[str]


def describe(word: str, flags: str) -> Word:
    """Return what is to be known of a word; `flags` are its gazetteer flags."""
    return Word(lowered(word), shape_of(word), flags)


def lowered(word: str) -> str:
    """Return a word as word lists have it: in lower case, with accents joined to their letters."""
    return word.lower() if word.isascii() else unicodedata.normalize("NFC", word).lower()


def word_at(place: str, low: str) -> str:
    """Return the feature of a lower-cased word at one of `PLACES`."""
    return f"w{place}={low}"


def outline(shape: str, flags: str, place: str) -> tuple[str, ...]:
    """Return the features of a word's shape and flags at one of `PLACES`."""
    own = () if place else tuple(f"f={flag}" for flag in flags)
    return (f"s{place}={shape}", f"g{place}={flags}", *own)


def endings(low: str) -> tuple[str, ...]:
    """Return the features of a lower-cased word's first and last letters."""
    ends = (f"p2={low[:2]}", f"p3={low[:3]}", f"x2={low[-2:]}", f"x3={low[-3:]}")
    return (*ends, f"x4={low[-4:]}") if len(low) > 5 else ends


def joined(before: str, word: str, after: str, field: str) -> tuple[str, str, str]:
    """Return the features that join lower-cased words; `field` is from `fields_of`."""
    return f"b={before}|{word}", f"c={before}|{after}", f"k={field}"


def together(before: Word, word: Word, after: Word, line: str, length: str, glue: bool) -> tuple[str, ...]:
    """Return the features that join outlines and flags, so that few different ones exist; `line` is from `Lines`."""
    short = word.shape[:3]
    start = (f"NL|{word.shape[:2]}",) if line[-1] == "^" else ()
    return (
        f"gs={before.flags}|{word.flags}|{word.shape[:2]}",
        f"sn={word.shape}|{after.shape}|{after.flags}",
        f"ls={line}{short}",
        f"lg={line}{word.flags}",
        f"ns={length}{line}{short}",
        f"ng={length}{line}{word.flags}",
        "glue" if glue else "apart",
        *start,
    )


def strings(text: str, tokens: Tokens, describe_word: Callable[[str], Word]) -> list[list[str]]:
    """Return all feature strings of each token, as training needs them."""
    words = [EDGE, EDGE, *map(describe_word, tokens.words), EDGE, EDGE]
    lines = lines_of(text, tokens)
    fields = fields_of(tokens, lines)
    out = []
    for i, (line, length, glue) in enumerate(zip(*lines, glued(tokens), strict=True)):
        before, word, after = words[i + 1 : i + 4]
        pairs = joined(before.low, word.low, after.low, fields[i])
        seen = zip(PLACES, (word, before, after, words[i], words[i + 4]), strict=True)
        alone = (feature for place, other in seen for feature in _alone(other, place))
        out.append([*pairs, *together(before, word, after, line, length, glue), *alone])
    return out


def _alone(word: Word, place: str) -> tuple[str, ...]:
    """Return the features of one word at one of `PLACES`."""
    own = () if word is EDGE else outline(word.shape, word.flags, place)
    return (word_at(place, word.low), *own, *(() if place else endings(word.low)))


def shape_of(word: str) -> str:
    """Return the outline of a word: Xx for a capitalised one, dd for a number, oo without case, at most six signs."""
    out = ""
    for char in word[:24]:
        kind = "X" if char.isupper() else "x" if char.islower() else "d" if char.isdigit() else _outline_of(char)
        if out[-2:] != kind + kind:
            out += kind
    return out[:6]


def _outline_of(char: str) -> str:
    """Return `o` for letters of scripts without case, nothing for marks on letters, and signs as they are."""
    category = "" if char.isascii() else unicodedata.category(char)[0]
    return "o" if category == "L" else "" if category == "M" else char


def glued(tokens: Tokens) -> list[bool]:
    """Say of each token whether nothing stands between it and the one before it."""
    return [start == end for start, end in zip(tokens.starts, [-1, *tokens.ends], strict=False)]


def lines_of(text: str, tokens: Tokens) -> Lines:
    """Return what is to be known of each token's line."""
    cases: list[str] = []
    lengths: list[str] = []
    begin, end, case = 0, -1, "M"
    for i, start in enumerate(tokens.starts):
        if start > end:
            lengths += [_length(i - begin)] * (i - begin)
            line_start, begin = end + 1, i
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            case = _case(text[line_start:end])
            cases.append(f"{case}^")
        else:
            cases.append(f"{case}=")
    lengths += [_length(len(tokens.starts) - begin)] * (len(tokens.starts) - begin)
    return Lines(cases, lengths)


def fields_of(tokens: Tokens, lines: Lines) -> list[str]:
    """Return for each token the name of the field whose value it is part of: `city` for Oslo in `"city": "Oslo"`.

    A field is the word before a colon, an equals sign or the end of a tag; its value ends soon, and with the line.
    """
    if _FIELD_SIGNS.isdisjoint(tokens.words):
        return [""] * len(tokens.words)
    out: list[str] = []
    field, left, last = "", 0, ""
    for word, line in zip(tokens.words, lines.cases, strict=True):
        if word in _FIELD_SIGNS:
            field, left = last, _VALUE_TOKENS
        elif word in _VALUE_ENDS or line[-1] == "^" or not left:
            field = ""
        out.append(field)
        left -= left > 0
        if word.isalpha():
            last = f"{last[:-1]}_{word.lower()}" if last[-1:] == "_" else word.lower()
        elif word == "_":
            last += "_"
    return out


def _length(tokens: int) -> str:
    """Return a class of line lengths: short lines are often signatures and headings."""
    return str(tokens) if tokens < 5 else "8" if tokens < 9 else "+"


def _case(line: str) -> str:
    if line.islower():
        return "L"
    if line.isupper():
        return "U"
    return "M"
