"""An upstream of our own: keeps every byte it is sent, and answers with what it was told, and with more."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PIECE_CHARS = 7
_STOP = "stop"


@dataclass
class Upstream:
    """What arrived, and what the next answer says on top of what it echoes."""

    port: int = 0
    inject: str = ""
    requests: list[bytes] = field(default_factory=list)
    traces: list[bytes] = field(default_factory=list)

    def said(self, body: dict[str, Any]) -> str:
        """Return the texts of the user, as they arrived, and what is to be injected."""
        texts = []
        for message in body.get("messages", []):
            content = message.get("content")
            parts = [content] if isinstance(content, str) else [part.get("text", "") for part in content or []]
            texts += parts if message.get("role") == "user" else []
        return "\n".join((*texts, self.inject))


def answer(text: str, arguments: str, model: str) -> dict[str, Any]:
    """Return a whole answer."""
    call = {"id": "call_1", "type": "function", "function": {"name": "note", "arguments": arguments}}
    message = {"role": "assistant", "content": text, "reasoning_content": text, "tool_calls": [call]}
    return _enveloped("chat.completion", model, {"index": 0, "message": message, "finish_reason": _STOP}) | {
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    }


def events(text: str, arguments: str, model: str) -> Iterator[bytes]:
    """Return the same as a stream of small pieces."""
    head = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "note", "arguments": ""}}
    deltas: list[dict[str, Any]] = [{"role": "assistant"}, {"tool_calls": [head]}]
    deltas += [{"content": piece} for piece in _pieces(text)] + [
        {"reasoning_content": piece} for piece in _pieces(text)
    ]
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in _pieces(arguments)]
    for delta, reason in (*((delta, None) for delta in deltas), ({}, _STOP)):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        yield b"data: " + json.dumps(_enveloped("chat.completion.chunk", model, choice)).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


@contextmanager
def listening(port: int = 0) -> Iterator[Upstream]:
    """Listen on a port of this machine (0: a free one) until the end; traces that are sent there are kept as well."""
    kept = Upstream()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.path.endswith(("/v1/traces", "/v1/metrics")):
                kept.traces.append(data)
                self._send(b"", "application/x-protobuf")
                return
            kept.requests.append(f"{self.path}\n{self.headers}\n".encode() + data)
            body = json.loads(data)
            text = kept.said(body)
            made = (text, json.dumps({"note": text}), str(body.get("model")))
            if body.get("stream"):
                self._send(b"".join(events(*made)), "text/event-stream")
            else:
                self._send(json.dumps(answer(*made)).encode(), "application/json")

        def _send(self, data: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            self.send_header("connection", "close")  # the next run's upstream must not be this one
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    kept.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()


def _enveloped(kind: str, model: str, choice: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-verify", "object": kind, "created": 1, "model": model, "choices": [choice]}


def _pieces(text: str) -> list[str]:
    return [text[at : at + _PIECE_CHARS] for at in range(0, len(text), _PIECE_CHARS)]
