"""Calls any JSON HTTP API that a file describes: see `api_file`."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from automations.connectors.api_file import ApiFile, Auth, Operation
from automations.connectors.base import Refused, secret
from automations.connectors.http import Answer, Request, is_address, send
from automations.flow.automation import Pace


class Content(NamedTuple):
    """What a request carries: JSON, the key of its action, the version that it changes."""

    body: Any
    key: str | None
    match: str | None


_NOTHING: Final = Content(None, None, None)


@dataclass(slots=True)
class OwnPace:
    """The pace of one process."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _free_s: dict[str, float] = field(default_factory=dict)

    def wait_s(self, name: str, per_second: float) -> float:
        """Take the next free moment; return how long it is until then."""
        with self._lock:
            now_s = time.monotonic()
            at_s = max(now_s, self._free_s.get(name, 0.0))
            self._free_s[name] = at_s + 1 / per_second
        return at_s - now_s


@dataclass(slots=True)
class Api:
    """An API as its file describes it. Its pace holds over all workers when its automation names it as `paced`."""

    file: ApiFile
    environ: Mapping[str, str] = field(repr=False)
    sleep: Callable[[float], None] = time.sleep
    pace: Pace = field(default_factory=OwnPace, repr=False)

    def call(
        self, operation: str, body: Any = None, key: str | None = None, match: str | None = None, **words: str
    ) -> Any:
        """Run an operation and return its JSON; `words` fill the path, `key` makes a repeat harmless.

        With `match`, an ETag, it is only done while that is still the version; otherwise `Unavailable`.

        Raises:
            Refused, Unavailable, Unsure: as `http.send` says.
        """
        described = self._operation(operation)
        return self._send(described, described.query, words, Content(body, key, match)).body

    def read(self, operation: str, **words: str) -> Answer:
        """Run an operation that changes nothing; return its answer with its version."""
        described = self._operation(operation)
        return self._send(described, described.query, words, _NOTHING)

    def items(self, operation: str, **words: str) -> Iterator[Any]:
        """Give the items of a list, page by page."""
        described = self._operation(operation)
        query, pages = dict(described.query), described.pages
        for number in range(1, (pages.at_most if pages else 1) + 1):
            if pages and pages.number:
                query[pages.parameter] = str(number)
            answer = self._send(described, query, words, _NOTHING).body
            found = _at(answer, described.items)
            if not isinstance(found, list):
                raise Refused(f"the answer of {operation} has no list at {described.items or 'its top'}")
            yield from found
            following = _at(answer, pages.next) if pages and pages.next else bool(found)
            if pages is None or not following:
                return
            if pages.next:
                query[pages.parameter] = str(following)

    def _operation(self, name: str) -> Operation:
        if name not in self.file.operations:
            raise Refused(f"the API {self.file.api} has no operation {name}")
        return self.file.operations[name]

    def _send(
        self, operation: Operation, query: Mapping[str, str], words: Mapping[str, str], content: Content
    ) -> Answer:
        try:
            path = operation.path.format_map({name: quote(word, safe="") for name, word in words.items()})
        except (KeyError, ValueError, IndexError) as error:
            raise Refused(f"the path {operation.path} needs another word ({error})") from error
        if any(part in (".", "..") for part in path.split("/")):
            raise Refused("a word of the path leads to another path")
        keyed = content.key is not None and self.file.idempotency_header is not None
        repeatable = keyed or (operation.method in ("GET", "PUT", "DELETE"))
        if operation.repeatable is not None:
            repeatable = operation.repeatable
        raw = None if content.body is None else json.dumps(content.body, ensure_ascii=False).encode()
        base = self._base()
        url = f"{base}{path}" + (f"?{urlencode(query)}" if query else "")
        if self.file.per_second is not None:
            name = hashlib.sha256(f"{self.file.api}\0{base}".encode()).hexdigest()[:40]
            self.sleep(self.pace.wait_s(name, self.file.per_second))
        return send(Request(operation.method, url, self._headers(content), raw, self.file.timeout_s, repeatable))

    def _base(self) -> str:
        named = self.file.base_url_env
        base = self.file.base_url or secret(self.environ, named or "")
        if not is_address(base):
            raise Refused(f"{named or 'base_url'} is no address; it begins with https:// (http:// on this machine)")
        return base.rstrip("/")

    def _headers(self, content: Content) -> dict[str, str]:
        headers = {"accept": "application/json", **self.file.headers}
        if content.body is not None:
            headers["content-type"] = "application/json"
        if content.key is not None and self.file.idempotency_header:
            headers[self.file.idempotency_header] = content.key
        if content.match is not None:
            headers["if-match"] = content.match
        if self.file.auth is not None:
            headers[self.file.auth.header] = _signed_in(self.file.auth, self.environ)
        return headers


def _signed_in(auth: Auth, environ: Mapping[str, str]) -> str:
    if auth.env is not None:
        return auth.prefix + secret(environ, auth.env)
    pair = f"{secret(environ, auth.user_env or '')}:{secret(environ, auth.password_env or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _at(value: Any, path: str | None) -> Any:
    """Give what stands at a dotted path; None where nothing does."""
    for part in path.split(".") if path else ():
        value = value.get(part) if isinstance(value, dict) else None
    return value
