"""The detector process answers with findings or with the class name of what went wrong."""

import io
from collections.abc import Sequence

import pytest

from redaction.names.spread import Seen
from redaction.presidio.frames import Query, encode, pack, read, sendable, unpack
from redaction.presidio.serve import answer, refuse_sockets
from redaction.types import Entity


class Words:
    """Finds the word Anna; fails on the word boom."""

    plain = frozenset({"mark"})

    def find(self, texts: Sequence[str], query: Query) -> list[list[Entity]]:
        return [self._of(text, query) for text in texts]

    def _of(self, text: str, query: Query) -> list[Entity]:
        if "boom" in text:
            raise ValueError(f"secret content: {text}")
        at = text.find("Anna")
        return [Entity("PERSON", at, at + 4, 1.0, "names")] if at >= 0 and query.level != "off" else []


def ask(*texts: str, level: str = "balanced") -> dict[str, object]:
    return answer(Words(), {"texts": texts, "query": [level, "en", []]})


def test_findings_are_spread_over_the_texts_of_one_request() -> None:
    reply = ask("I am Anna", "anna is here")
    assert reply["found"] == [[["PERSON", 5, 9, 1.0, "names"]], [["PERSON", 0, 4, 0.9, "names.again"]]]
    assert reply["seen"] == [["anna"], []]


def test_names_of_other_pieces_are_looked_for() -> None:
    reply = answer(Words(), {"texts": ["anna"], "seen": list(Seen(["anna"], []))})
    assert reply == {"found": [[["PERSON", 0, 4, 0.9, "names.again"]]]}


def test_a_failure_names_its_class_and_never_the_text() -> None:
    assert ask("boom") == {"error": "ValueError"}


def test_the_level_reaches_the_engine() -> None:
    assert ask("I am Anna", level="off")["found"] == [[]]


def test_frames_survive_the_pipe() -> None:
    message = {"texts": ["ä\n\u0000"], "limit_s": 1.5}
    stream = io.BytesIO(encode(message) + encode({"b": 1}))
    assert [read(stream), read(stream), read(stream)] == [message, {"b": 1}, None]
    assert read(io.BytesIO(encode(message)[:-1])) is None


def test_entities_survive_packing() -> None:
    found = [[Entity("PERSON", 1, 2, 0.5, "names")], []]
    assert unpack(pack(found)) == found


def test_lone_surrogates_are_replaced_in_place() -> None:
    assert sendable("a\ud800b😀") == "a\ufffdb😀"
    assert sendable("plain") == "plain"


@pytest.mark.parametrize("event", ["socket.__new__", "socket.connect", "socket.getaddrinfo"])
def test_network_events_are_refused(event: str) -> None:
    with pytest.raises(PermissionError):
        refuse_sockets(event, ())
    refuse_sockets("open", ())
