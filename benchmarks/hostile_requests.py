"""Sixty requests made by hand, each wrong in its own way, and mutations of right ones made by a seeded die."""

import gzip
import random
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from benchmarks.stand import KEY

CHAT = "/v1/chat/completions"
GOOD: dict[str, Any] = {
    "model": "ok",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Write to ann@example.com"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
    "response_format": {"type": "json_object"},
    "stream_options": {"include_usage": True},
    "metadata": {"step": "draft", "run_id": "r1"},
    "stop": ["x"],
    "logit_bias": {"50256": -100},
    "n": 1,
    "temperature": 0.2,
    "stream": False,
}
EMBED: dict[str, Any] = {"model": "ok", "input": ["a", "b"], "dimensions": 3, "metadata": {"step": "x"}}


def head(*lines: str, method: str = "POST", path: str = CHAT, key: str | None = KEY) -> bytes:
    auth = () if key is None else (f"authorization: Bearer {key}",)
    given = (f"{method} {path} HTTP/1.1", "host: sluice", *auth, *lines)
    return "".join(f"{line}\r\n" for line in given).encode("utf-8", "surrogateescape") + b"\r\n"


def sent(body: bytes, *lines: str, **of_head: Any) -> bytes:
    return head(f"content-length: {len(body)}", "content-type: application/json", *lines, **of_head) + body


def chat(**changes: Any) -> bytes:
    """Return a request whose body differs from a right one in some fields."""
    return sent(orjson.dumps({"model": "ok", "messages": [{"role": "user", "content": "hi"}]} | changes))


def chunked(*parts: bytes) -> bytes:
    return head("transfer-encoding: chunked") + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"


def by_hand() -> dict[str, bytes]:
    """Return the requests by name. None of them is right."""
    deep = 100_000
    right = orjson.dumps({"model": "ok", "messages": [{"role": "user", "content": "hi"}]})
    return {
        **{f"body {name}": sent(body) for name, body in _bodies(deep).items()},
        **{f"field {name}": chat(**changes) for name, changes in _fields().items()},
        "lone surrogate": sent(right.replace(b"hi", rb"\ud800")),
        "nul in text": sent(right.replace(b"hi", b"a\x00b")),
        "gzip body": sent(gzip.compress(right), "content-encoding: gzip"),
        "gzip bomb": sent(gzip.compress(b" " * 50_000_000), "content-encoding: gzip"),
        "brotli": sent(right, "content-encoding: br"),
        "two lengths": head("content-length: 5", "content-length: 6") + b"hello!",
        "length and chunks": head("content-length: 5", "transfer-encoding: chunked") + b"0\r\n\r\n",
        "negative length": head("content-length: -5"),
        "length of letters": head("content-length: ten"),
        "huge length": head("content-length: 99999999999999999999"),
        "obs-fold": head("content-length: 0", "x-a: b", " c: d"),
        "bad chunk": head("transfer-encoding: chunked") + b"zz\r\n",
        "chunks of nothing": chunked(),
        "chunked, no JSON": chunked(b"{", b"]"),
        "unknown coding": head("transfer-encoding: gzip") + b"x",
        "nul in header": head("content-length: 0", "x-a: a\x00b"),
        "header of 3 MB": sent(right, "x-big: " + "x" * 3_000_000),
        "3,000 headers": sent(right, *(f"x-{n}: {'y' * 40}" for n in range(3000))),
        "long path": sent(right, path="/v1/" + "x" * 100_000),
        "no key": sent(right, key=None),
        "wrong key": sent(right, key="sk-wrong"),
        "key with SQL": sent(right, key="' or 1=1 --"),
        "long label": sent(right, "x-sluice-run-id: " + "x" * 600),
        "unknown path": sent(right, path="/v1/nothing"),
        "path with CRLF": sent(right, path="/v1/%0d%0aset-cookie:%20a=b"),
        "path up": sent(right, path="/v1/../../etc/passwd"),
        "other version": b"POST / HTTP/3.7\r\n\r\n",
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "loop": sent(right, "x-sluice-hop: 1"),
        "wrong method": head(method="GET"),
        "CONNECT": b"CONNECT evil.example:443 HTTP/1.1\r\nhost: evil\r\n\r\n",
        "byte order mark": sent(b"\xef\xbb\xbf\xef\xbb\xbf" + right),
        "UTF-16": sent(right.decode().encode("utf-16")),
        "half UTF-8": sent(right.replace(b"hi", b"\xc3")),
    }


def _bodies(deep: int) -> dict[str, bytes]:
    return {
        "empty": b"",
        "half": b'{"model": "ok"',
        "array": b"[]",
        "text": b'"hello"',
        "number": b"17",
        "null": b"null",
        "NaN": b'{"model":"ok","messages":[{"role":"user","content":"hi"}],"temperature":NaN}',
        "infinity": b'{"model":"ok","messages":[],"temperature":1e999}',
        "deep arrays": b"[" * deep + b"]" * deep,
        "deep objects": b'{"a":' * deep + b"1" + b"}" * deep,
        "deep in a field": b'{"model":"ok","messages":[{"role":"user","content":' + b"[" * 900 + b"]" * 900 + b"}]}",
        "trailing": b"{} {}",
        "single quotes": b"{'model': 'ok'}",
        "binary": bytes(range(256)),
    }


def _fields() -> dict[str, dict[str, Any]]:
    return {
        "no model": {"model": None},
        "number as model": {"model": 5},
        "empty model": {"model": ""},
        "no messages": {"messages": None},
        "text as messages": {"messages": "hi"},
        "number in messages": {"messages": [5]},
        "empty messages": {"messages": []},
        "text as stream": {"stream": "yes"},
        "list as stream_options": {"stream_options": []},
        "list as metadata": {"metadata": [1]},
        "number as label": {"metadata": {"run_id": 5}},
        "text as tools": {"tools": "f"},
        "text as n": {"n": "two"},
    }


ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**60, 1e300, "", "x", "\x00", "é" * 50, "\r\nset-cookie: a=b", [], {}, [None], [[]],
    {"": None}, [1, "a", {}], {"type": "text"}, {"role": 5}, "a" * 5000, {"text": {"text": {}}}, "[EMAIL_ADDRESS_1]",
)  # fmt: skip


def mutations(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield paths and bodies: right bodies in which one to four places were replaced, dropped, doubled or renamed."""
    die = random.Random(seed)
    for _ in range(count):
        path, body = (CHAT, GOOD) if die.random() < 0.8 else ("/v1/embeddings", EMBED)
        raw = orjson.dumps(body)
        tree = orjson.loads(raw)
        for _ in range(die.randint(1, 4)):
            die.choice(CHANGES)(tree, die)
        raw = orjson.dumps(tree, default=str, option=orjson.OPT_NON_STR_KEYS) if _encodable(tree) else raw
        if die.random() < 0.15:
            at = die.randrange(len(raw))
            raw = die.choice((raw[:at], raw[:at] + bytes([die.randrange(256)]) + raw[at + 1 :], raw + raw[at:]))
        yield path, raw


def _encodable(tree: Any) -> bool:
    try:
        orjson.dumps(tree)
    except (TypeError, ValueError):
        return False
    return True


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) of a tree."""
    found, todo = [], [node]
    while todo:
        box = todo.pop()
        keys = list(box) if isinstance(box, dict) else range(len(box)) if isinstance(box, list) else ()
        for key in keys:
            found.append((box, key))
            todo.append(box[key])
    return found


def _replace(tree: Any, die: random.Random) -> None:
    if places := _places(tree):
        box, key = die.choice(places)
        value = die.choice(ODD)
        box[key] = orjson.loads(orjson.dumps(value)) if _encodable(value) else value


def _drop(tree: Any, die: random.Random) -> None:
    if places := _places(tree):
        box, key = die.choice(places)
        del box[key]


def _double(tree: Any, die: random.Random) -> None:
    if places := _places(tree):
        box, key = die.choice(places)
        box[key] = [box[key], box[key]]


def _rename(tree: Any, die: random.Random) -> None:
    places = [(box, key) for box, key in _places(tree) if isinstance(box, dict)]
    if places:
        box, key = die.choice(places)
        box[die.choice(("", "content", "type", "x" * 300, "ann@example.com", "\u0000"))] = box.pop(key)


CHANGES: tuple[Callable[[Any, random.Random], None], ...] = (_replace, _replace, _drop, _double, _rename)
