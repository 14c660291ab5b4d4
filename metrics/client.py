"""Asks the recorder: named questions in, tables out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import urllib3

TokenSource = Callable[[], str]
_OK, _PARTIAL = 200, 206


class RecorderError(RuntimeError):
    """The recorder could not be asked or refused the question; the sentence says why, `status` is its HTTP status."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Watermark:
    """Up to which record the answer is complete."""

    seq: int
    ts_us: int


@dataclass(frozen=True, slots=True)
class Table:
    """An answer. `truncated` when the recorder's row limit cut it."""

    columns: tuple[str, ...]
    rows: list[list[Any]]
    watermark: Watermark
    truncated: bool = False

    def dicts(self) -> Iterator[dict[str, Any]]:
        """Yield each row by column name."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def first(self) -> dict[str, Any] | None:
        """Return the first row by column name, if there is one."""
        return next(self.dicts(), None)


class Known(NamedTuple):
    """Whether something was recorded, None where that cannot be known now; and when a run began."""

    recorded: bool | None = None
    began_us: int | None = None


class RecorderClient:
    """Blocking and thread-safe. `token_source` is asked for a query token before each question."""

    def __init__(self, base_url: str, token_source: TokenSource, timeout_s: float = 15.0) -> None:
        self._base_url, self._token_source = base_url.rstrip("/"), token_source
        self._http = urllib3.PoolManager(retries=False, timeout=timeout_s)

    def query(self, name: str, **params: Any) -> Table:
        """Ask a named question; a parameter that is `None` counts as not given. Raises `RecorderError`."""
        given = {key: value for key, value in params.items() if value is not None}
        answer = self._ask("POST", f"/v1/query/{name}", _body(given))
        mark = Watermark(answer["watermark"]["seq"], answer["watermark"]["ts_us"])
        return Table(tuple(answer["columns"]), answer["rows"], mark, answer.get("truncated", False))

    def review(self, given: Mapping[str, Any]) -> bytes:
        """Return the bytes of a weekly review; see `metrics.health.review.serve`. Raises `RecorderError`."""
        response = self._send("POST", "/v1/review", _body(given))
        _checked(response)
        return response.data

    def content(self, event_id: str) -> dict[str, str]:
        """Return the cleared texts of an event, if the token's roles allow it. Raises `RecorderError`."""
        fields: dict[str, str] = self._ask("GET", f"/v1/content/{event_id}")["fields"]
        return fields

    def ask_export(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Begin an export and return its job; the token needs the role auditor. Raises `RecorderError`."""
        return self._ask("POST", "/v1/exports", _body(wanted))

    def exports(self) -> list[dict[str, Any]]:
        """List the exports of the token's tenant, the newest first. Raises `RecorderError`."""
        found: list[dict[str, Any]] = self._ask("GET", "/v1/exports")["data"]
        return found

    def export(self, name: str) -> dict[str, Any]:
        """Return how an export stands. Raises `RecorderError`."""
        return self._ask("GET", f"/v1/exports/{name}")

    def fetch_bundle(self, name: str, to: Path) -> None:
        """Write a bundle into a file, going on with what an earlier try left there. Raises `RecorderError`."""
        have = to.stat().st_size if to.exists() else 0
        headers = {"authorization": f"Bearer {self._token_source()}"} | ({"range": f"bytes={have}-"} if have else {})
        address = f"{self._base_url}/v1/exports/{name}/bundle"
        try:
            response = self._http.request("GET", address, headers=headers, preload_content=False)
            if response.status not in (_OK, _PARTIAL):
                response.read()
                _checked(response)
            with to.open("ab" if response.status == _PARTIAL else "wb") as file:
                shutil.copyfileobj(response, file, 1 << 20)
            response.release_conn()
        except urllib3.exceptions.HTTPError as problem:
            raise RecorderError("the download broke off; the same command goes on with it") from problem

    def retention(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Run retention, or count what is due (`dry`); the keeper's token only. Raises `RecorderError`."""
        return self._ask("POST", "/v1/retention", _body(asked))

    def status(self) -> dict[str, Any]:
        """Return what the recorder says about itself. Raises `RecorderError`."""
        return self._ask("GET", "/status", token=False)

    def knows(self, *, call_id: str | None = None, run_id: str | None = None) -> Known:
        """Say whether a call or run was recorded; None while records wait that might hold it."""
        status = self.status()
        found = self.query("known", call_id=call_id, run_id=run_id).first() or {}
        if (call_id and found.get("call")) or (run_id and found.get("run")):
            return Known(True, found["began_us"])
        return Known(False if status["phase"] == "running" and status["behind_bytes"] == 0 else None)

    def _ask(self, method: str, path: str, body: bytes | None = None, token: bool = True) -> dict[str, Any]:
        return _checked(self._send(method, path, body, token))

    def _send(self, method: str, path: str, body: bytes | None, token: bool = True) -> urllib3.BaseHTTPResponse:
        headers = {"content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {self._token_source()}"
        try:
            return self._http.request(method, self._base_url + path, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as problem:
            raise RecorderError(f"the recorder at {self._base_url} does not answer") from problem


def _body(given: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(dict(given))
    except orjson.JSONEncodeError as problem:  # bytes of a command line that are no UTF-8 arrive as half characters
        raise RecorderError(f"the question cannot be written as JSON: {problem}") from problem


def _checked(response: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    try:
        value = orjson.loads(response.data)
    except orjson.JSONDecodeError as problem:
        raise RecorderError("the recorder answered something that is not JSON", response.status) from problem
    if response.status != _OK:
        problem_text = value.get("error", {}).get("message") if isinstance(value, dict) else None
        raise RecorderError(problem_text or f"the recorder answered {response.status}", response.status)
    answer: dict[str, Any] = value
    return answer
