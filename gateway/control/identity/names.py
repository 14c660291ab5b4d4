"""What names and addresses may look like. Names reach records and metrics, so their alphabet is closed."""

import re
from typing import Final

from gateway.control.errors import InvalidInput

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")
_EMAIL: Final = re.compile(r"[^\s@\x00-\x1f]{1,64}@[^\s@\x00-\x1f]{1,190}")


def checked_name(param: str, name: str) -> str:
    """Return the name.

    Raises:
        InvalidInput: it has other characters than letters, digits, `_`, `.` and `-`, or more than 64.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(param, f"{param} must be 1 to 64 letters, digits, '_', '.' or '-', beginning with no mark.")
    return name


def checked_optional_name(param: str, name: str | None) -> str | None:
    """Return the name, or None for none or an empty one."""
    return checked_name(param, name) if name else None


def normal_email(email: str) -> str:
    """Return an e-mail address as it is stored and compared.

    Raises:
        InvalidInput: it is none.
    """
    address = email.strip().casefold()
    if not _EMAIL.fullmatch(address):
        raise InvalidInput("email", "email must be an address such as name@example.com.")
    return address
