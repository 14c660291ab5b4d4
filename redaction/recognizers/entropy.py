"""Tell random-looking strings from words, hashes and identifiers."""

import math
import re
from collections import Counter

_HEX = re.compile(r"[0-9a-fA-F-]+\Z")
_PLACEHOLDER = re.compile(
    r"(?:(?i:x{3,}|\*{3,}|\.{3,}|your[_-].*|my[_-]?(?:api|secret|key|token|password).*|changeme|example.*"
    r"|placeholder|redacted|none|null|true|false|undefined"
    r"|string|required|optional|process\.env.*|os\.environ.*|getenv.*|env\..*|secrets?\..*|config\..*"
    r"|settings\..*)|[$%{<].*)\Z"
)
# A call, or an attribute of something that programs hold.
_CODE = re.compile(
    r"(?:[A-Za-z_][\w.]*\(.*|(?:self|this|cls|os|env|args|opts?|options|request|user|ctx|data)\.[A-Za-z_][\w.]*)\Z"
)


def bits(value: str) -> float:
    """Give the Shannon entropy per character."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())


def mixed(value: str) -> bool:
    """Say whether a value mixes upper case, lower case and digits, as a random key does."""
    return (
        any(c.isupper() for c in value)
        and any(c.islower() for c in value)
        and any(c.isdigit() for c in value)
        and bits(value) > 3.5
    )


def random_looking(value: str) -> bool:
    """Say whether a value is neither a hash nor a name made of words."""
    return mixed(value) and _HEX.match(value) is None


def stands_for_nothing(value: str) -> bool:
    """Say whether a value only shows where a secret belongs."""
    value = value.rstrip(").;,")
    return _PLACEHOLDER.match(value) is not None or _CODE.match(value) is not None or len(set(value)) < 3


def tokenish(value: str) -> bool:
    """Say whether a value after a word such as `api_key=` can be a key: a digit or mixed case, and no variable."""
    return not stands_for_nothing(value) and (any(c.isdigit() for c in value) or _two_cases(value) or len(value) >= 20)


def _two_cases(value: str) -> bool:
    return any(c.isupper() for c in value[1:]) and any(c.islower() for c in value)


def not_a_word_for_nothing(value: str) -> bool:
    """Say whether a value after `password=` is a value at all."""
    return not stands_for_nothing(value)


def passwordish(value: str) -> bool:
    """Say whether the word after "the password is" can be the password: not a plain lower-case word."""
    return not stands_for_nothing(value) and (any(not c.isalpha() for c in value.rstrip(".!?")) or _two_cases(value))


def surely_passwordish(value: str) -> bool:
    """Say whether a word right behind "password" is one: letters with digits and signs, or many of them."""
    value = value.rstrip(".!?:")
    digits, letters = sum(map(str.isdigit, value)), sum(map(str.isalpha, value))
    varied = _two_cases(value) or digits + letters < len(value) or len(value) > 8
    return passwordish(value) and digits > 0 and letters > 0 and varied
