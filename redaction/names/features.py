"""Turn tokens into the feature strings of the names model.

Everything that depends on one word alone is worked out once per word and kept, so a repeated word costs one look-up.
"""

from typing import NamedTuple

from redaction.names.gazetteer import Gazetteer
from redaction.names.tokens import Tokens

_MAX_WORDS = 20_000
_EDGE = "<>"


class _Word(NamedTuple):
    """Feature strings of one word, by the place from which they are seen."""

    own: tuple[str, ...]
    before: tuple[str, ...]  # as seen by the token after it
    after: tuple[str, ...]  # as seen by the token before it
    two_before: tuple[str, ...]
    two_after: tuple[str, ...]
    low: str
    shape: str
    flags: str


def shape_of(word: str) -> str:
    """Return the outline of a word: Xx for a capitalised one, dd for a number, at most six signs."""
    out = ""
    for char in word[:24]:
        kind = "X" if char.isupper() else "x" if char.islower() else "d" if char.isdigit() else char
        if out[-2:] != kind + kind:
            out += kind
    return out[:6]


class Features:
    """Feature strings of token sequences; keeps a bounded memory of words seen."""

    def __init__(self, gazetteer: Gazetteer) -> None:
        self._gazetteer = gazetteer
        self._words: dict[str, _Word] = {}
        self._edge = _Word((), ("w-1=<>",), ("w1=<>",), ("w-2=<>",), ("w2=<>",), _EDGE, "", "")

    def __call__(self, text: str, tokens: Tokens) -> list[list[str]]:
        """Return one list of feature strings for each token."""
        words = [self._word(word) for word in tokens.words]
        lines, lengths = _lines(text, tokens)
        edge = self._edge
        padded = [edge, edge, *words, edge, edge]
        out: list[list[str]] = []
        for i, (word, line, length) in enumerate(zip(words, lines, lengths, strict=True)):
            before, after = padded[i + 1], padded[i + 3]
            out.append(
                [
                    *word.own,
                    *before.before,
                    *after.after,
                    *padded[i].two_before,
                    *padded[i + 4].two_after,
                    f"b={before.low}|{word.low}",
                    f"c={before.low}|{after.low}",
                    f"gs={before.flags}|{word.flags}|{word.shape[:2]}",
                    f"sn={word.shape}|{after.shape}|{after.flags}",
                    f"{line}{word.shape[:3]}",
                    f"{line}{word.flags}",
                    f"{length}{line}{word.shape[:3]}",
                    f"{length}{line}{word.flags}",
                    *_gaps(tokens, i, line, word.shape),
                ]
            )
        return out

    def _word(self, word: str) -> _Word:
        known = self._words.get(word)
        if known is None:
            if len(self._words) >= _MAX_WORDS:
                self._words.clear()
            known = self._words[word] = self._describe(word)
        return known

    def _describe(self, word: str) -> _Word:
        low, shape = word.lower(), shape_of(word)
        flags = self._gazetteer.flags(low)
        ends = (f"p2={low[:2]}", f"p3={low[:3]}", f"x2={low[-2:]}", f"x3={low[-3:]}")
        long_end = (f"x4={low[-4:]}",) if len(low) > 5 else ()
        return _Word(
            own=(f"w={low}", f"s={shape}", f"g={flags}", *ends, *long_end, *(f"f={flag}" for flag in flags)),
            before=(f"w-1={low}", f"s-1={shape}", f"g-1={flags}"),
            after=(f"w1={low}", f"s1={shape}", f"g1={flags}"),
            two_before=(f"w-2={low}", f"s-2={shape}", f"g-2={flags}"),
            two_after=(f"w2={low}", f"s2={shape}", f"g2={flags}"),
            low=low,
            shape=shape,
            flags=flags,
        )


def _gaps(tokens: Tokens, i: int, line: str, shape: str) -> tuple[str, ...]:
    """Say whether the token starts a line or touches its neighbours."""
    glued = "glue" if i and tokens.starts[i] == tokens.ends[i - 1] else "apart"
    if line[-1] == "^":
        return (glued, f"NL|{shape[:2]}")
    return (glued,)


def _lines(text: str, tokens: Tokens) -> tuple[list[str], list[str]]:
    """Return for each token what its line is like.

    First its case (`M` mixed, `L` lower, `U` upper) with `^` at its start, then the class of its length.
    """
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
    return cases, lengths


def _length(tokens: int) -> str:
    """Return a class of line lengths: short lines are often signatures and headings."""
    return str(tokens) if tokens < 5 else "8" if tokens < 9 else "+"


def _case(line: str) -> str:
    if line.islower():
        return "L"
    if line.isupper():
        return "U"
    return "M"
