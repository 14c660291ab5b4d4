"""Event streams with seeded mistakes: what some servers send, and what none should."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson

from benchmarks.payload import stream_events

MIB: Final = 1 << 20
FINISH: Final = b'"finish_reason":"stop"'
Events = list[bytes]


@dataclass(frozen=True, slots=True)
class Made:
    """One stream, and what an honest reader may say about it."""

    body: bytes
    mistakes: tuple[str, ...]
    broken: bool  # one of them may not be passed over in silence; the others change nothing
    finished: bool  # it says why the answer ended


def plain(seed: int) -> Events:
    """Return the events before any mistake."""
    return stream_events(seed, 1 + seed % 12, leading_space=bool(seed % 2))


def made(seed: int) -> Made:
    """Return stream number `seed`."""
    die = random.Random(seed)
    events = plain(seed)
    broken = die.random() < 0.7
    name = die.choice(sorted(BROKEN)) if broken else ""
    # One long line takes as long as forty others.
    name = name if name != "a long line" or die.random() < 0.3 else "half an event"
    if broken:
        events = BROKEN[name](events, die)
    finished = any(FINISH in event for event in events)
    odd = sorted(die.sample(sorted(ODD), die.randint(0 if broken else 1, 3)))
    for each in odd:
        events = ODD[each](events, die)
    return Made(b"".join(events), (*([name] if broken else []), *odd), broken, finished)


def anywhere(events: Events, die: random.Random) -> int:
    """Return the place of an event with a word, so that the answer is not complete before it."""
    return die.randrange(1, max(2, len(events) - 3))


def put(events: Events, die: random.Random, data: bytes) -> Events:
    at = anywhere(events, die)
    return [*events[:at], data, *events[at:]]


def changed(events: Events, die: random.Random, change: Callable[[bytes], bytes]) -> Events:
    at = anywhere(events, die)
    return [*events[:at], change(events[at]), *events[at + 1 :]]


def half(events: Events, die: random.Random) -> Events:
    return changed(events, die, lambda event: event[: die.randrange(8, len(event) - 4)] + b"\n\n")


def half_utf8(events: Events, die: random.Random) -> Events:
    bad = die.choice((b"\xc3", b"\xe2\x82", b"\xff", b"\xf0\x9f\x98", b"\xed\xa0\x80"))
    return changed(events, die, lambda event: event.replace(b'"content":"', b'"content":"' + bad))


def wrong_type(events: Events, die: random.Random) -> Events:
    value: object = die.choice((7, "x", [1], [[]], "choices", [None]))

    def change(event: bytes) -> bytes:
        tree = orjson.loads(event[6:])
        tree["choices"] = value
        return b"data: " + orjson.dumps(tree) + b"\n\n"

    return changed(events, die, change)


def error(events: Events, die: random.Random) -> Events:
    return put(events, die, b'data: {"error":{"message":"overloaded","code":"overloaded"}}\n\n')


def cut(events: Events, die: random.Random) -> Events:
    return events[: anywhere(events, die)]


BROKEN: Final[dict[str, Callable[[Events, random.Random], Events]]] = {
    "half an event": half,
    "half a character": half_utf8,
    "a wrong type": wrong_type,
    "an error": error,
    "no end": cut,
    "no JSON": lambda events, die: put(events, die, b"data: " + die.randbytes(40).hex().encode() + b"\n\n"),
    "bytes": lambda events, die: put(events, die, b"data: {" + die.randbytes(60).replace(b"\n", b"") + b"\n\n"),
    "not an object": lambda events, die: put(events, die, b"data: " + die.choice((b"[1]", b'"a"', b"7")) + b"\n\n"),
    "a page": lambda events, die: put(events, die, b"data: <html>Bad Gateway</html>\n\n"),
    "too deep": lambda events, die: put(events, die, b'data: {"choices":' + b"[" * 5000 + b"\n\n"),
    "a long line": lambda events, die: put(events, die, b"data: " + b"x" * (9 * MIB) + b"\n\n"),
}


def lines(change: Callable[[bytes], bytes]) -> Callable[[Events, random.Random], Events]:
    """Make a mistake that changes every event alike."""
    return lambda events, _die: [change(event) for event in events]


def several_lines(event: bytes) -> bytes:
    """Write the data over two lines where its JSON has a comma between fields."""
    return event.replace(b'","object"', b'",\ndata: "object"', 1)


ODD: Final[dict[str, Callable[[Events, random.Random], Events]]] = {
    "CRLF": lines(lambda event: event.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")),
    "no space": lines(lambda event: event.replace(b"data: ", b"data:")),
    "named": lines(lambda event: b"event: message\nid: 7\n" + event),
    "several lines": lines(several_lines),
    "comments": lambda events, die: put(events, die, b": " + b"x" * die.randrange(4000) + b"\n\n"),
    "empty lines": lambda events, die: put(events, die, b"\n" * die.randrange(1, 9)),
    "a byte order mark": lambda events, _die: [b"\xef\xbb\xbf" + events[0], *events[1:]],
}
