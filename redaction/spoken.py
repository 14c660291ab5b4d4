"""Digits written as words, such as `four one one one`, in seven languages: where they stand and what they say."""

import re
from typing import Final

# By digit: English, German, French, Spanish, Italian, Portuguese, Dutch; without accents, as recognizers read them.
_WORDS: Final = (
    "zero oh null nul cero",
    "one eins un uno um een",
    "two zwei zwo deux dos due dois twee",
    "three drei trois tres tre drie",
    "four vier quatre cuatro quattro quatro",
    "five funf fuenf cinq cinco cinque vijf",
    "six sechs seis sei zes",
    "seven sieben sept siete sette sete zeven",
    "eight acht huit ocho otto oito",
    "nine neun neuf nueve nove negen",
)
_DIGIT: Final = {word: str(digit) for digit, words in enumerate(_WORDS) for word in words.split()}
_TIMES: Final = {"double": 2, "triple": 3}
_ONE: Final = rf"(?:{'|'.join(sorted((*_DIGIT, *_TIMES), key=len, reverse=True))})"
_GAP: Final = r"[ ,.;-]{1,3}"
_LEAST: Final = 6  # digits
HEAD: Final = rf"\b{_ONE}(?:{_GAP}{_ONE}){{2}}\b"  # what is looked for in every text is short
_WHOLE: Final = re.compile(rf"{_ONE}(?:[\s,.;-]{{1,3}}{_ONE})*\b", re.IGNORECASE)
_PIECE: Final = re.compile(rf"({_ONE})([\s,.;-]*)", re.IGNORECASE)


def read(folded: str) -> tuple[str, int]:
    """Give the digits that the words at the beginning of a text say, none where they are few, and where they end.

    What parts two words but a space becomes a dash.
    """
    whole = _WHOLE.match(folded)
    out: list[str] = []
    times = 1
    for word, gap in _PIECE.findall(whole[0]) if whole else ():
        digit = _DIGIT.get(word.lower())
        if digit is None:
            times = _TIMES[word.lower()]
            continue
        out.append(digit * times + ("-" if gap.strip() else ""))
        times = 1
    said = "".join(out).strip("-")
    return said if len(said.replace("-", "")) >= _LEAST else "", whole.end() if whole else 0
