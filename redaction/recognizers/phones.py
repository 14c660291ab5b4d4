"""Tell telephone numbers from other groups of digits."""

import re

from phonenumbers import NumberParseException, is_valid_number, parse

from redaction.recognizers.checks import digits_of

# Regions whose numbers are tried when a number is written with its trunk zero and nothing near it says "phone".
_REGIONS = ("GB", "FR", "DE", "NL", "IE", "CH", "AU", "SE", "BE", "AT", "IN", "JP", "ZA")
_DATE = re.compile(
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})"
    r"|\d{4} [01]\d [0-3]\d)(?: \d{1,2}:?\d{0,2})?\Z"
)
_COUNTRY = re.compile(
    r"\+?(?:00)?(?:1|7|2[07]|2[1-689]\d|3[0-469]|3[578]\d|4[013-9]|42\d|5[1-8]|5[09]\d|6[0-6]|6[789]\d"
    r"|8[1246]|8[0578]\d|9[0-58]|9[679]\d)"
)


def international(value: str) -> bool:
    """Check a number written with `+` or `00`: known country code, plausible length."""
    digits = digits_of(value)
    length = len(digits) - (2 if digits.startswith("00") else 0)
    return 8 <= length <= 15 and _COUNTRY.match("".join(c for c in value if c in "+0123456789")) is not None


def north_american(value: str) -> bool:
    """Check the 3-3-4 shape: refuse what is one repeated digit."""
    return len(set(digits_of(value))) > 2


def local(value: str) -> bool:
    """Check a number that stands beside a word such as `phone`: length, and that it is not a date."""
    return 7 <= len(digits_of(value)) <= 13 and _DATE.match(value) is None


def trunk(value: str) -> bool:
    """Check a number written with a leading zero against the numbering plans of several regions."""
    digits = digits_of(value)
    plausible = 9 <= len(digits) <= 12 and digits[1] != "0" and _DATE.match(value) is None
    return plausible and any(_valid(value, region) for region in _REGIONS)


def _valid(value: str, region: str) -> bool:
    try:
        return is_valid_number(parse(value, region))
    except NumberParseException:
        return False
