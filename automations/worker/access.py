"""Who may do what at the worker: sessions are checked at the gateway, roles here."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from fastapi import Request

from automations.queue.desk import Who

_KNOWN_S: Final = 5.0
_MOST_KNOWN: Final = 1000


class NotSignedIn(Exception):
    """There is no session, or it has ended."""


class Forbidden(Exception):
    """The session has none of the roles that this needs."""


@dataclass(slots=True)
class Access:
    """Asks whose session a request carries, and remembers the answer for a few seconds."""

    ask: Callable[[str], dict[str, Any] | None]
    _known: dict[bytes, tuple[float, dict[str, Any]]] = field(default_factory=dict)

    def needing(self, *roles: str) -> Callable[[Request], Who]:
        """Return a dependency that gives whoever asks; whoever has any role may view.

        Raises:
            NotSignedIn, Forbidden: see there.
        """

        def who(request: Request) -> Who:
            found = self._of(key_of(request))
            held = set(found["roles"])
            if not (held & set(roles) or ("viewer" in roles and held)):
                raise Forbidden(f"This needs the role {' or '.join(roles)}.")
            return Who(found["id"], found["tenant"])

        return who

    def _of(self, session: str) -> dict[str, Any]:
        name, now_s = sha256(session.encode()).digest(), time.monotonic()
        at_s, found = self._known.get(name, (-_KNOWN_S, {}))
        if now_s - at_s < _KNOWN_S:
            return found
        asked = self.ask(session)
        if asked is None:
            self._known.pop(name, None)
            raise NotSignedIn("Your session has ended; sign in again.")
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[name] = now_s, asked
        return asked


def key_of(request: Request) -> str:
    """Return the token of the Authorization header.

    Raises:
        NotSignedIn: there is none.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotSignedIn("Sign in first: send the header Authorization: Bearer ...")
    return token.strip()
