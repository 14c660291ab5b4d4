"""The gateway over HTTP, with one API key for each automation."""

import base64
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote

import orjson
import urllib3
from openai import OpenAI

from automations.flow.failures import GatewayAway
from automations.flow.gateway import Erased, Issued, Json, Permit

_KEYS_AT_ONCE: Final = 1000
_KEPT: Final = 5_000
_KEPT_S: Final = 10.0
_LONGEST_RETRY_S: Final = 60.0


class KeyRefused(GatewayAway):
    """The gateway does not know an automation's API key, or no policy governs it."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, 30.0)
        self.status = status


class NotTaken(Exception):
    """The gateway refuses this for good; the sentence is its own."""


@dataclass(slots=True)
class HttpGateway:
    """Blocking and thread-safe. `keys` are API keys by automation; `heard` hears how long the gateway waits, in us."""

    base_url: str
    keys: Mapping[str, str]
    timeout_s: float = 15.0
    heard: Callable[[float], None] = lambda _wait_us: None
    _http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=16, retries=False))
    _clients: dict[str, OpenAI] = field(default_factory=dict)
    _open: "OrderedDict[str, tuple[float, bytes]]" = field(default_factory=OrderedDict)
    _tenants: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def as_caller(self, automation: str, key: str) -> "HttpGateway":
        """Return the gateway as somebody sees it who brings an API key of their own."""
        return replace(self, keys={automation: key})

    def new_keys(self, automation: str, wanted: Sequence[tuple[str, str | None]]) -> list[Issued]:
        """Make keys, in batches."""
        issued: list[Issued] = []
        for at in range(0, len(wanted), _KEYS_AT_ONCE):
            runs = [{"run": run, "subject": subject} for run, subject in wanted[at : at + _KEYS_AT_ONCE]]
            answer = self._ask(automation, "POST", "/v1/run-keys", {"runs": runs})
            if answer["automation"] != automation:
                raise KeyRefused(f"This API key is bound to another automation than {automation}.", 403)
            for each in answer["data"]:
                key = base64.b64decode(each["key"])
                self._remember(each["run"], key)
                issued.append(Issued(key, each["wrapped"], answer["tenant"], each["expires_at"] * 1_000_000))
        return issued

    def tenant_of(self, automation: str) -> str:
        """Return whose automation this is; asked once, for a key's tenant never changes."""
        if automation not in self._tenants:
            self._tenants[automation] = self.new_keys(automation, [("run_tenant", None)])[0].tenant
        return self._tenants[automation]

    def open_key(self, automation: str, run_id: str, wrapped: str) -> bytes:
        """Ask for a run's key: each time, so that an erasure is seen at once."""
        answer = self._ask(automation, "POST", "/v1/run-keys/open", {"run": run_id, "wrapped": wrapped})
        self.heard(answer.get("wait_us", 0))
        key = base64.b64decode(answer["key"])
        self._remember(run_id, key)
        return key

    def recent_keys(self, automation: str, wrapped: Mapping[str, str]) -> dict[str, bytes]:
        """Return keys of runs that were seen in the last seconds, and ask for the others at once."""
        since_s = time.monotonic() - _KEPT_S
        with self._lock:
            seen = {run: self._open[run] for run in wrapped if run in self._open}
        keys = {run: key for run, (at_s, key) in seen.items() if at_s > since_s}
        missing = [{"run": run, "wrapped": each} for run, each in wrapped.items() if run not in keys]
        if missing:
            answer = self._ask(automation, "POST", "/v1/run-keys/open", {"runs": missing})
            keys |= {each["run"]: base64.b64decode(each["key"]) for each in answer["data"] if each["key"] is not None}
        return keys

    def permit(self, automation: str, run_id: str, action: str, arguments: Json | None) -> Permit:
        """Ask the policy."""
        answer = self._ask(automation, "POST", "/v1/permits", {"run": run_id, "action": action, "arguments": arguments})
        return Permit(answer["action"], answer["stopped"], answer["rule"])

    def hold(self, automation: str, review_id: str) -> Mapping[str, Any]:
        """Ask for a held answer."""
        return self._ask(automation, "GET", f"/v1/holds/{quote(review_id, safe='')}")

    def post(self, automation: str, events: Sequence[Json]) -> list[str | None]:
        """Hand over events; where one is refused, each is sent by itself."""
        try:
            self._ask(automation, "POST", "/v1/events", {"events": list(events)})
        except NotTaken as error:
            if len(events) == 1:
                return [str(error)]
            return [refused for event in events for refused in self.post(automation, [event])]
        return [None] * len(events)

    def client(self, automation: str) -> OpenAI:
        """Return the client of an automation; it never tries again by itself: the queue does."""
        with self._lock:
            if automation not in self._clients:
                key = self._key(automation)
                self._clients[automation] = OpenAI(base_url=f"{self.base_url}/v1", api_key=key, max_retries=0)
            return self._clients[automation]

    def me(self, session: str) -> Json | None:
        """Return whose session this is; None: nobody's."""
        try:
            return self._send("GET", "/auth/me", session, None)
        except KeyRefused:
            return None

    def _key(self, automation: str) -> str:
        key = self.keys.get(automation)
        if key is None:
            raise KeyRefused(f"There is no API key for {automation} here.", 401)
        return key

    def _remember(self, run_id: str, key: bytes) -> None:
        with self._lock:
            self._open[run_id] = time.monotonic(), key
            while len(self._open) > _KEPT:
                self._open.popitem(last=False)

    def _ask(self, automation: str, method: str, path: str, body: Json | None = None) -> Json:
        return self._send(method, path, self._key(automation), body)

    def _send(self, method: str, path: str, token: str, body: Json | None) -> Json:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        data = None if body is None else orjson.dumps(body)
        try:
            answer = self._http.request(
                method, self.base_url + path, body=data, headers=headers, timeout=self.timeout_s, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise GatewayAway(f"the gateway does not answer ({type(error).__name__})") from error
        return _understood(answer)


def _understood(answer: urllib3.BaseHTTPResponse) -> Json:
    try:
        found = orjson.loads(answer.data)
    except orjson.JSONDecodeError as error:
        raise GatewayAway(f"the gateway answered {answer.status} without JSON") from error
    if answer.status < 300:
        return dict(found)
    said = found.get("error", {}) if isinstance(found, dict) else {}
    sentence = f"{answer.status} {said.get('code')}: {said.get('message')}"
    if answer.status == 410:
        raise Erased(sentence)
    if answer.status in (401, 403) and said.get("code") != "content_blocked":
        raise KeyRefused(sentence, answer.status)
    if answer.status in (408, 429) or answer.status >= 500:
        raise GatewayAway(sentence, _wait_s(answer.headers.get("retry-after")))
    raise NotTaken(sentence)


def _wait_s(text: str | None) -> float:
    try:
        return min(max(1.0, float(text or "")), _LONGEST_RETRY_S)
    except ValueError:
        return 2.0
