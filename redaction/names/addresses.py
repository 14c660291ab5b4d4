"""What the model takes for an address and is none: labels with their numbers, such as `Ticket 88231, VIN 1HG...`."""

import re
from collections.abc import Sequence
from typing import Final

_SIGNS: Final = " \t\r#:.-"
_ITEMS: Final = re.compile(r"[,;|\n]+")
# A number and a street, or an ordinal. A postcode with letters, or a state and its postcode. Five digits alone.
_HOUSE_FIRST: Final = re.compile(
    r"\d.*?[^\w-](?!(?i:fax|tel|ext)\b)(?:[^\W\d_]{3}|(?:bis|ter|[NSEW]) \d|\d+(?:st|nd|rd|th)\b)"
)
_POSTCODE: Final = re.compile(
    r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\Z|[A-Z]\d[A-Z] ?\d[A-Z]\d\Z|.*\b[A-Z]{2} \d{5}(?:-\d{4})?\Z"
)
_BARE: Final = re.compile(r"\d{5}")
# What stands before the first number, and the letters that the number begins with.
_WORDS: Final = re.compile(r"(\D*?)[^\W\d_]*(?:\d.*)?\Z", re.DOTALL)
# Words that a number of something else than a house follows.
_LABEL: Final = re.compile(
    r"(?i)(?:[\w-]+ )?(?:\w+-)?(?:account|article|batch|build|call|case|chapter|claim|code|contract|customer|cve|error"
    r"|fax|figure|floor|id|invoice|issue|item|job|level|line|lot|mobile|model|no|nr|number|order|page|parcel|part|payment"
    r"|phone|po|port|position|quote|ref|reference|release|request|room|row|section|serial|shipment|sku|step|table|tel"
    r"|ticket|tracking|transaction|unit|version|volume|week)"
)
_CODES: Final = re.compile(r"(?:[A-Z]{2,5}|[a-z][A-Z]{1,4})(?:[ -][A-Z]{1,5})?")
_ORDINALS: Final = frozenset({"st", "nd", "rd", "th"})
_STREETS: Final = frozenset(
    {"st", "street", "ave", "avenue", "rd", "road", "blvd", "dr", "drive", "ln", "lane", "pl", "place", "ct", "court"}
)
_LONG: Final = re.compile(r"\d(?:[ ./-]?\d){6,}")  # no house has such a number


def is_address(text: str) -> bool:
    """Say whether some part of a text can stand in an address; labels and their numbers cannot, nor numbers alone."""
    return _BARE.fullmatch(text) is not None or any(_is_place(item.strip(_SIGNS)) for item in _ITEMS.split(text))


def rest_of_ordinal(words: Sequence[str], at: int) -> int:
    """Return how many words behind a number the model may have left out: two behind the 29 of `W 29 th St`."""
    if not words[at].isdigit() or words[at + 1 : at + 2] == [] or words[at + 1].lower() not in _ORDINALS:
        return 0
    return 2 if at + 2 < len(words) and words[at + 2].lower() in _STREETS else 1


def _is_place(item: str) -> bool:
    if _POSTCODE.match(item) or _HOUSE_FIRST.match(item):
        return True
    rest, long = _LONG.subn("", item)
    if long and len(rest.split()) < 2:
        return False
    found = _WORDS.match(rest if any(map(str.isdigit, rest)) else f"{rest} 0")
    words = found[1].strip(_SIGNS) if found else ""
    return bool(words) and not (_LABEL.fullmatch(words) or _CODES.fullmatch(words))
