"""The dashboard's view of the gateway's API: sign in, who am I, a token for the recorder. HTTP only."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import urllib3


class SignInRequired(Exception):
    """The session is missing, expired or revoked."""


class GatewayUnreachable(Exception):
    """The gateway did not answer; the sentence says where it was looked for."""


class Refused(Exception):
    """The gateway does not do this, for the reason it gives."""


@dataclass(frozen=True, slots=True)
class User:
    """Who is signed in, as the gateway says."""

    name: str
    tenant: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gateway:
    """Calls the gateway's API, or the worker's. `base_url` has no trailing slash; `timeout_s` bounds each request."""

    base_url: str
    timeout_s: float = 5.0
    secret: str = field(default="", repr=False)  # by which the gateway knows that a browser's address is told truly
    part: str = "gateway"  # whom it asks: the worker knows the same sessions

    def sign_in(self, email: str, password: str, browser: str) -> str:
        """Return a session token.

        Raises:
            SignInRequired: the e-mail address or the password is wrong.
        """
        return str(
            self._call("POST", "/auth/login", {"email": email, "password": password}, browser=browser)["session"]
        )

    def redeem(self, link_token: str, browser: str) -> str:
        """Exchange a one-time sign-in link for a session token.

        Raises:
            SignInRequired: the link was used before, has expired or never existed.
        """
        return str(self._call("POST", "/auth/link", {"token": link_token}, browser=browser)["session"])

    def sign_out(self, session: str) -> None:
        """End the session everywhere."""
        self._call("POST", "/auth/logout", {}, session)

    def me(self, session: str) -> User:
        """Return who the session belongs to.

        Raises:
            SignInRequired: the session does not hold any more.
        """
        found = self._call("GET", "/auth/me", None, session)
        return User(str(found.get("name") or found.get("email")), str(found["tenant"]), tuple(found["roles"]))

    def query_token(self, session: str) -> str:
        """Return a short-lived token for the recorder's queries."""
        return str(self._call("POST", "/auth/query-token", {}, session)["token"])

    def status(self) -> dict[str, Any]:
        """Return the state of the whole machine."""
        return self._call("GET", "/status", None)

    def policy_state(self, session: str) -> dict[str, Any]:
        """Return how budgets, growing splits and candidates of the user's tenant stand."""
        return self._call("GET", "/admin/policy-state", None, session)

    def ask(
        self,
        method: str,
        path: str,
        session: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Use any route of the gateway for a session.

        Raises:
            Refused: the gateway says no, and why.
            SignInRequired, GatewayUnreachable: as above.
        """
        address = f"{quote(path)}?{urlencode(query)}" if query else quote(path)
        return self._call(method, address, None if body is None else dict(body), session)

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None, session: str | None = None, browser: str = ""
    ) -> dict[str, Any]:
        headers = {"content-type": "application/json", "accept": "application/json"}
        if session:
            headers["authorization"] = f"Bearer {session}"
        if browser and self.secret:
            headers |= {"x-sluice-dashboard": self.secret, "x-sluice-browser": browser}
        said = None if body is None else json.dumps(body)
        try:
            with urllib3.PoolManager(retries=False, timeout=self.timeout_s) as pool:
                answer = pool.request(method, f"{self.base_url}{path}", body=said, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise GatewayUnreachable(
                f"The {self.part} did not answer at {self.base_url}. Is `sluice up` running?"
            ) from error
        return _understood(answer.status, answer.data)


def _understood(status: int, data: bytes) -> dict[str, Any]:
    found = json.loads(data) if data else {}
    if status in {401, 429}:
        raise SignInRequired(_sentence(found) or "Please sign in.")
    if status in {400, 403, 404, 409, 410, 413}:
        raise Refused(_sentence(found) or f"The gateway answered with status {status}.")
    if status >= 400:
        raise GatewayUnreachable(_sentence(found) or f"The gateway answered with status {status}.")
    return found if isinstance(found, dict) else {}


def _sentence(found: object) -> str:
    error = found.get("error") if isinstance(found, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else ""
