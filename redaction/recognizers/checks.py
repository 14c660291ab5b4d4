"""Check digits and other tests that tell an identifier from a number that only looks like one."""

import ipaddress
import re
from collections.abc import Callable
from itertools import accumulate

# Tables over bytes: an order of magnitude faster than expressions on values of this length.
_NO_DIGIT = bytes(code for code in range(128) if not 48 <= code <= 57)
_NO_ALNUM = bytes(code for code in range(128) if not chr(code).isalnum())
_IN_BASE_36 = {ord(char): str(value) for value, char in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}
# Visa, Mastercard, American Express, Diners, JCB, and the Maestro, Discover and UnionPay ranges.
_ISSUER = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|(?:5[1-5]|2[2-7]|35)\d{14}|3[47]\d{13}|3[0689]\d{12}(?:\d\d)?|(?:2131"
    r"|1800)\d{11}|(?:50|5[6-9]|6\d)\d{10,17}"
)
_FEWEST_DIGITS = 12
_LONGEST_GROUP = 6
_MOST_GAPS = 8  # a card number has four, its neighbours a few more
_GAP = re.compile(r"[ .-]+")
_LUHN_DOUBLE = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))


def digits_of(value: str) -> str:
    """Keep the digits of a value."""
    return value.encode("ascii", "ignore").translate(None, _NO_DIGIT).decode()


def alnum_of(value: str) -> str:
    """Keep letters and digits of a value, upper-cased."""
    return value.encode("ascii", "ignore").translate(None, _NO_ALNUM).upper().decode()


def luhn(value: str) -> bool:
    """Check the Luhn digit (cards, IMEI, Canadian SIN)."""
    digits = value.encode("ascii", "ignore").translate(None, _NO_DIGIT)
    kept, doubled = digits[::-2], digits[-2::-2].translate(_LUHN_DOUBLE)
    return (sum(kept) - 48 * len(kept) + sum(doubled)) % 10 == 0


def card(value: str) -> bool:
    """Check length by issuer, and the Luhn digit, of a payment card number."""
    return _card_digits(digits_of(value))


def _card_digits(digits: str) -> bool:
    return (
        len(digits) >= _FEWEST_DIGITS
        and _ISSUER.fullmatch(digits) is not None
        and luhn(digits)
        and len(set(digits)) > 1
    )


def _card_shaped(digits: str) -> bool:
    return 12 <= len(digits) <= 19 and len(set(digits)) > 1


def fit_card(value: str) -> tuple[int, int] | None:
    """Find a card number among neighbouring numbers, such as a quantity before it or its expiry after it."""
    return _fit(value, _card_digits)


def fit_card_shape(value: str) -> tuple[int, int] | None:
    """Find what is written like a card number, whatever its check digit; no card has a group of seven digits."""
    found = _fit(value, _card_shaped)
    groups = _GAP.split(value[slice(*found)]) if found else []
    return found if len(groups) == 1 or max(map(len, groups), default=0) <= _LONGEST_GROUP else None


def fit_iban(value: str) -> tuple[int, int] | None:
    """Find an IBAN at the beginning of a match that may have taken in the next word."""
    return next(((0, end) for end in reversed(_ends(value)) if mod97(value[:end])), None)


def _fit(value: str, check: Callable[[str], bool]) -> tuple[int, int] | None:
    """Find the longest run of whole groups that passes, the first of equals."""
    digits = digits_of(value)
    if check(digits):
        return 0, len(value)
    if len(digits) <= _FEWEST_DIGITS or len(gaps := [gap.span() for gap in _GAP.finditer(value)]) > _MOST_GAPS:
        return None
    starts = [0, *(after for _, after in gaps)]
    ends = [*(before for before, _ in gaps), len(value)]
    counts = [0, *accumulate(end - start for start, end in zip(starts, ends, strict=True))]
    runs = [
        (starts[i] - ends[j - 1], starts[i], digits[counts[i] : counts[j]])
        for i in range(len(starts))
        for j in range(i + 1, len(counts))
        if _FEWEST_DIGITS <= counts[j] - counts[i] < len(digits)
    ]
    runs.sort()
    return next(((start, start - size) for size, start, run in runs if check(run)), None)


def _ends(value: str) -> list[int]:
    return [*(gap.start() for gap in _GAP.finditer(value)), len(value)]


def mod97(value: str) -> bool:
    """Check an IBAN."""
    text = alnum_of(value)
    if not 15 <= len(text) <= 34:
        return False
    turned = text[4:] + text[:4]
    return int(turned.translate(_IN_BASE_36)) % 97 == 1


def ssn(value: str) -> bool:
    """Refuse US social security numbers whose area, group or serial is all zeros, and area 666."""
    digits = digits_of(value)
    return digits[:3] not in {"000", "666"} and digits[3:5] != "00" and digits[5:] != "0000" and len(set(digits)) > 1


def ipv4(value: str) -> bool:
    """Check a dotted quad, and that it is not only a version number such as 1.0.0.0."""
    parts = value.split(".")
    return len(parts) == 4 and all(
        part.isdigit() and int(part) < 256 and (part == "0" or part[0] != "0") for part in parts
    )


def ipv6(value: str) -> bool:
    """Check an IPv6 address, and that it is longer than a slice such as `1::2`."""
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return False
    return value.count(":") >= 2 and (len(alnum_of(value)) >= 4 or value == "::1") and has_digit(value)


def aba(value: str) -> bool:
    """Check a US bank routing number."""
    digits = [int(char) for char in digits_of(value)]
    weights = (3, 7, 1) * 3
    return len(digits) == 9 and any(digits) and sum(d * w for d, w in zip(digits, weights, strict=True)) % 10 == 0


def vin(value: str) -> bool:
    """Check a vehicle identification number's check digit."""
    values = dict(
        zip(
            "ABCDEFGHJKLMNPRSTUVWXYZ",
            (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9),
            strict=True,
        )
    )
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    text = value.upper()
    if len(text) != 17 or not any(char.isdigit() for char in text) or not any(char.isalpha() for char in text):
        return False
    total = sum((values.get(char) or (ord(char) - 48)) * weight for char, weight in zip(text, weights, strict=True))
    return text[8] == "0123456789X"[total % 11]


def imei(value: str) -> bool:
    """Check length and Luhn digit of a phone's serial number."""
    return len(digits_of(value)) == 15 and luhn(value)


def npi(value: str) -> bool:
    """Check a US provider identifier: Luhn over the prefix 80840."""
    digits = digits_of(value)
    return len(digits) == 10 and digits[0] in "12" and luhn("80840" + digits)


def dea(value: str) -> bool:
    """Check a US drug enforcement registration number."""
    digits = [int(char) for char in digits_of(value)]
    return len(digits) == 7 and (sum(digits[0:6:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6]


def has_digit(value: str) -> bool:
    """Say whether a value holds a digit."""
    return digits_of(value) != ""


def two_digits(value: str) -> bool:
    """Say whether a value holds two digits or more."""
    return len(digits_of(value)) >= 2


def plate(value: str) -> bool:
    """Say whether a value has the length of a number plate, a digit, and not only words."""
    text = alnum_of(value)
    return 4 <= len(text) <= 9 and has_digit(text) and not (text[:-4].isalpha() and len(text) > 7)


def four_digits(value: str) -> bool:
    """Say whether a value holds four digits or more."""
    return len(digits_of(value)) >= 4
