"""Fold characters to the ASCII ones they look like or stand for, one for one."""

import unicodedata

# Letters of other scripts that are drawn like Latin ones.
_LOOKALIKES = dict(
    zip(
        "аеорсухіјѕһԁԛԝѵгпӏкмтвнАВЕКМНОРСТУХІЈЅҮԌԚԜαοντρυκιχωγηβεζμѐёїґΑΒΕΖΗΙΚΜΝΟΡΤΥΧıȷɡɑℓոսօցհզՕԼՏ",
        "aeopcyxijshdqwvrnlkmtbhABEKMHOPCTYXIJSYGQWaovtpukixwynbezmeeirABEZHIKMNOPTYXijgalnuoghqOLS",
        strict=True,
    )
)
_MARKS = {
    "’": "'",
    "‘": "'",
    "‛": "'",
    "′": "'",
    "ʼ": "'",
    "`": "`",
    "“": '"',
    "”": '"',
    "„": '"',
    "″": '"',
    "«": '"',
    "»": '"',
    "−": "-",
    "∕": "/",
    "⁄": "/",
    "・": ".",
    "·": ".",
    "。": ".",
    "｡": ".",
    "°": "*",
    "×": "x",
    "¦": "|",
    "＼": "\\",
}
OTHER = "\x1a"  # stands for everything that is neither letter, digit nor mark of ASCII
GONE = "\x7f"  # stands for characters that are not seen
# Scripts written without spaces between words: their letters end a word instead of being part of it.
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x11FF),
    (0x1780, 0x17FF),
    (0x2E80, 0x9FFF),
    (0xA000, 0xA4CF),
    (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


def fold_char(char: str) -> str:
    """Give the ASCII character that stands for `char`: its own look, `x` or `X` for letters, GONE for the unseen."""
    if char < "\x80":
        return char if char != GONE else OTHER
    known = _LOOKALIKES.get(char) or _MARKS.get(char)
    return known or _by_category(char)


def _by_category(char: str) -> str:
    category = unicodedata.category(char)
    if category in {"Cf", "Mn", "Me"}:
        return GONE
    if category == "Nd":
        return str(unicodedata.digit(char))
    if category[0] == "Z":
        return " " if category == "Zs" else "\n"
    if category in {"Pd"}:
        return "-"
    base = unicodedata.normalize("NFKD", char)[0]
    if base != char:
        return base if base < "\x80" else fold_char(base)
    return _letter(char, category)


def _letter(char: str, category: str) -> str:
    if category[0] != "L" or any(low <= ord(char) <= high for low, high in _UNSPACED):
        return OTHER
    return "X" if category == "Lu" else "x"


class Folder(dict[int, str]):
    """A table for `str.translate` that fills itself."""

    def __missing__(self, code: int) -> str:
        """Work out and keep one character's stand-in."""
        folded = fold_char(chr(code))
        self[code] = folded
        return folded


def latin_table() -> bytes:
    """Give the table for `bytes.translate` over Latin-1, the fast way for European text."""
    return bytes(ord(fold_char(chr(code))) for code in range(256))
