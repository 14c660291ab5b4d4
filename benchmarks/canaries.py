"""Secrets that must turn up nowhere: made for one run, put everywhere a caller or an operator can put them."""

import base64
import gzip
import random
import string
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import duckdb
import orjson

from benchmarks.hostile_requests import head, sent

_LETTERS: Final = string.ascii_letters + string.digits
CHAT: Final = "/v1/chat/completions"


def chance(seed: int, length: int, letters: str = _LETTERS) -> str:
    """Make up a secret; the same each time for a seed."""
    return "".join(random.Random(seed).choices(letters, k=length))


def of_callers(seed: int) -> dict[str, str]:
    """Return secrets of kinds that the policy redacts, as people paste them into requests."""
    upper = string.ascii_uppercase + "234567"
    return {
        "aws key": f"AKIA{chance(seed, 16, upper)}",
        "github token": f"ghp_{chance(seed + 1, 36)}",
        "slack token": f"xoxb-{chance(seed + 2, 12, string.digits)}-{chance(seed + 3, 24)}",
        "openai key": f"sk-proj-{chance(seed + 4, 48)}",
        "database password": f"postgresql://app:{chance(seed + 5, 20)}@db.example.com/app",
        "address": f"{chance(seed + 6, 12, string.ascii_lowercase)}@example.com",
    }


def of_operators(seed: int) -> dict[str, str]:
    """Return the secrets that stand in settings and in sign-ins."""
    return {
        "provider key": f"prov-{chance(seed + 7, 40)}",
        "master key": base64.b64encode(random.Random(seed + 8).randbytes(32)).decode(),
        "telemetry token": chance(seed + 9, 40),
        "webhook secret": base64.b64encode(random.Random(seed + 14).randbytes(24)).decode(),
        "password": f"pass-{chance(seed + 10, 30)}",
        "sign-in link": f"link-{chance(seed + 11, 43)}",
        "session": f"sess-{chance(seed + 12, 43)}",
        "wrong api key": f"sk-sluice-{chance(seed + 13, 43)}",
    }


def places() -> Mapping[str, Callable[[str, str, bool], bytes]]:
    """Return how a secret gets into a request, by where it stands in it; each takes secret, model and stream."""

    def chat(**more: Any) -> Callable[[str, str, bool], bytes]:
        def build(secret: str, model: str, stream: bool) -> bytes:
            body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
            return sent(orjson.dumps(_filled(body | more, secret)))

        return build

    def header(name: str) -> Callable[[str, str, bool], bytes]:
        return lambda secret, model, stream: sent(_plain(model, stream), f"{name}: {secret}")

    def post(path: str, **body: Any) -> Callable[[str, str, bool], bytes]:
        return lambda secret, _model, _stream: sent(orjson.dumps(_filled(body, secret)), path=path)

    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"to": "CANARY"}'}}
    return {
        "user text": chat(messages=[{"role": "user", "content": "my key is CANARY, keep it"}]),
        "system text": chat(messages=[{"role": "system", "content": "CANARY"}, {"role": "user", "content": "hi"}]),
        "parts": chat(messages=[{"role": "user", "content": [{"type": "text", "text": "CANARY"}]}]),
        "tool call": chat(messages=[{"role": "assistant", "content": None, "tool_calls": [call]}]),
        "user field": chat(user="CANARY"),
        "metadata": chat(metadata={"step": "CANARY", "run_id": "CANARY", "prompt": "CANARY", "x": "CANARY"}),
        "unknown field": chat(whatever={"deep": ["CANARY"]}),
        "model": lambda secret, _model, stream: sent(_plain(secret, stream)),
        "broken json": lambda secret, _model, _stream: sent(
            b'{"model": "ok", "messages": [{"content": "' + secret.encode()
        ),
        "wrong type": lambda secret, model, _stream: sent(orjson.dumps({"model": model, "messages": secret})),
        "x-sluice-run-id": header("x-sluice-run-id"),
        "x-sluice-step": header("x-sluice-step"),
        "x-sluice-subject": header("x-sluice-subject"),
        "x-sluice-data-class": header("x-sluice-data-class"),
        "idempotency-key": header("idempotency-key"),
        "baggage": lambda secret, model, stream: sent(_plain(model, stream), f"baggage: sluice.step={quote(secret)}"),
        "traceparent": header("traceparent"),
        "cookie": lambda secret, model, stream: sent(_plain(model, stream), f"cookie: s={secret}"),
        "api-key header": header("api-key"),
        "other header": header("x-anything"),
        "query": lambda secret, model, stream: sent(_plain(model, stream), path=f"{CHAT}?key={quote(secret)}"),
        "path": lambda secret, _model, _stream: head(method="GET", path=f"/v1/models/{quote(secret, safe='')}"),
        "unknown path": lambda secret, _model, _stream: head(method="GET", path=f"/v2/{quote(secret, safe='')}"),
        "bearer": lambda secret, model, stream: sent(_plain(model, stream), key=secret),
        "basic": lambda secret, model, stream: sent(_plain(model, stream), f"authorization: Basic {secret}", key=None),
        "embeddings": post("/v1/embeddings", model="ok", input=["CANARY"]),
        "completions": post("/v1/completions", model="ok", prompt="CANARY"),
        "responses": post("/v1/responses", model="ok", input="CANARY", instructions="CANARY", store=True),
        "event": post("/v1/events", id="CANARY", kind="note", subject="CANARY", body={"text": "CANARY"}),
        "event kind": post("/v1/events", id="e1", kind="CANARY"),
        "outcome": post("/v1/outcomes", id="CANARY", run_id="CANARY", metric="success", value="CANARY", source="human"),
        "comment": post(
            "/v1/outcomes", id="o1", run_id="r", metric="success", value=True, comment="CANARY", source="human"
        ),
        "inspect": post("/v1/redact/inspect", request={"model": "ok", "messages": "CANARY"}),
        "login": post("/auth/login", email="operator@localhost", password="CANARY"),
        "link": post("/auth/link", token="CANARY"),
        "wrong login": post("/auth/login", email="CANARY", extra="CANARY"),
    }


@dataclass
class Hooks:
    """What webhooks were sent: paths, headers and bodies, as they came."""

    url: str = ""
    raw: bytes = b""
    count: int = 0


@contextmanager
def listening() -> Iterator[Hooks]:
    """Take webhooks on a socket."""
    hooks = Hooks()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hooks.raw += self.path.encode() + self.headers.as_bytes() + body
            hooks.count += 1
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        hooks.url = f"http://127.0.0.1:{server.server_port}/hook"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield hooks
        finally:
            server.shutdown()
            thread.join()


def _plain(model: str, stream: bool) -> bytes:
    return orjson.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]})


def _filled(value: Any, secret: str) -> Any:
    if isinstance(value, str):
        return value.replace("CANARY", secret)
    if isinstance(value, dict):
        return {key: _filled(each, secret) for key, each in value.items()}
    return [_filled(each, secret) for each in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Hunt:
    """Looks for secrets in bytes, in eight spellings."""

    spellings: Mapping[str, tuple[bytes, ...]]

    @staticmethod
    def of(secrets: Mapping[str, str]) -> "Hunt":
        """Prepare to look for these."""
        return Hunt({name: _spellings(_core(secret)) for name, secret in secrets.items()})

    def found(self, data: bytes) -> list[str]:
        """Return the names of the secrets that stand in the bytes."""
        return [name for name, texts in self.spellings.items() if any(text in data for text in texts)]


def _core(secret: str) -> str:
    """Return the part that is chance: what stands around it may be said."""
    if "://" in secret:
        return secret.split(":")[2].split("@", maxsplit=1)[0]
    return secret.split("@", maxsplit=1)[0]


def _spellings(secret: str) -> tuple[bytes, ...]:
    raw = secret.encode()
    shifted = (base64.b64encode(b"x" * pad + raw)[4 * (pad > 0) : -4] for pad in range(3))
    return (raw, secret.encode("utf-16-le"), raw.hex().encode(), raw[::-1], quote(secret, safe="").encode(), *shifted)


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file below a folder, compressed ones unpacked."""
    for path in folder.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            yield str(path.relative_to(folder)), raw
            if path.suffix == ".gz":
                yield f"{path.relative_to(folder)} unpacked", gzip.decompress(raw)


def tables(ledger: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every row of the ledger as text: its file is compressed."""
    with duckdb.connect(str(ledger), read_only=True) as db:
        for (name,) in db.sql("SELECT table_name FROM duckdb_tables()").fetchall():
            yield f"ledger table {name}", str(db.table(name).fetchall()).encode()


def hits(hunt: Hunt, sinks: Iterable[tuple[str, bytes]]) -> list[str]:
    """Return which secret stands where."""
    return [f"{name} in {sink}" for sink, data in sinks for name in hunt.found(data)]
