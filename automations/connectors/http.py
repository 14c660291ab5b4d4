"""One HTTP request to a configured peer: bounded, no redirects, and a failure that says whether anything was done."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, LocationParseError, NewConnectionError
from urllib3.util import parse_url

from automations.connectors.base import LOCAL, Refused, Unavailable, Unsure

MAX_ANSWER: Final = 10 * 1024 * 1024
_LONGEST_WAIT_S: Final = 3600.0
_LATER: Final = (408, 412, 425, 429, 500, 502, 503, 504)
_NOT_DONE: Final = (408, 412, 425, 429, 503)


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `repeatable`: the peer does nothing twice when it comes twice."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    timeout_s: float = 20.0
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The JSON of an answer, None for an empty one, and the version that it says the thing has."""

    body: Any
    etag: str | None


def send(request: Request) -> Answer:
    """Send a request and return its answer.

    Raises:
        Refused: the peer refused it (4xx), or answered no JSON. Unavailable: it may work later.
        Unsure: it was sent, is not repeatable, and no answer came.
    """
    if not is_address(request.url):
        raise Refused("this is no address for a request; one begins with https://")
    parts = urlsplit(request.url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOCAL):
        raise Refused(f"requests leave this machine over https only, and {parts.hostname} is asked by {parts.scheme}")
    try:
        status, headers, raw = _exchanged(request)
    except (NewConnectionError, ConnectTimeoutError) as error:
        raise Unavailable(f"{parts.hostname} cannot be reached ({type(error).__name__})") from error
    except HTTPError as error:
        told = f"{parts.hostname} broke off ({type(error).__name__})"
        raise (Unavailable(told, sure=_harmless(request)) if request.repeatable else Unsure(told)) from error
    return Answer(_read(request, status, headers, raw), headers.get("etag"))


def is_address(url: str) -> bool:
    """Say whether a text is an address of HTTP with a host, and a port that can be one."""
    try:
        parts = parse_url(url)
    except LocationParseError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.host)


def _exchanged(request: Request) -> tuple[int, Mapping[str, str], bytes]:
    with urllib3.PoolManager(retries=False) as pool:
        answer = pool.request(
            request.method,
            request.url,
            headers=dict(request.headers),
            body=request.body,
            timeout=urllib3.Timeout(connect=min(5.0, request.timeout_s), read=request.timeout_s),
            redirect=False,
            preload_content=False,
        )
        with contextlib.closing(answer):
            return answer.status, answer.headers, answer.read(MAX_ANSWER + 1, decode_content=True)


def _read(request: Request, status: int, headers: Mapping[str, str], raw: bytes) -> Any:
    told = f"{urlsplit(request.url).hostname} answered {status}"
    if status in _LATER and (status in _NOT_DONE or request.repeatable):
        sure = status in _NOT_DONE or _harmless(request)
        raise Unavailable(told, _wait_s(headers.get("retry-after")), sure=sure)
    if status >= 500 and not request.repeatable:
        raise Unsure(told)
    if not 200 <= status < 300:
        raise Refused(told)
    if len(raw) > MAX_ANSWER:
        raise Refused(f"{told} with more than {MAX_ANSWER} bytes")
    try:
        return json.loads(raw) if raw.strip() else None
    except ValueError as error:
        raise Refused(f"{told} with something that is no JSON") from error


def _harmless(request: Request) -> bool:
    """Tell whether a request changes nothing, however it ends."""
    return request.method == "GET"


def _wait_s(said: str | None) -> float | None:
    """Read Retry-After: seconds or a date."""
    if said is None:
        return None
    if said.strip().isdigit():
        return min(float(said), _LONGEST_WAIT_S)
    try:
        left_s = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(left_s, 0.0), _LONGEST_WAIT_S)
