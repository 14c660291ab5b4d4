"""What was found in a text is known when the text comes again, however many came in between, up to a bound."""

from redaction.memory import Memory
from redaction.plans import Plan
from redaction.redactor import Redactor
from redaction.types import Entity
from tests.unit.redaction.conftest import chat, clear

FOUND = [Entity("EMAIL_ADDRESS", 3, 21, 0.95, "email"), Entity("PHONE_NUMBER", 30, 300_000, 1 / 3, "phone")]
NOTHING = Plan((), (), (), ())


def filled(memory: Memory, texts: int) -> list[bytes]:
    keys = [memory.key(f"text {number}", "") for number in range(texts)]
    for key in keys:
        memory.put(key, FOUND).plans["user"] = NOTHING
    return keys


def test_a_text_that_was_seen_lately_keeps_its_plan() -> None:
    memory = Memory(b"key", recent=2)
    *_, last = filled(memory, 3)
    seen = memory.get(last)
    assert seen is not None
    assert (seen.entities, seen.plans) == (FOUND, {"user": NOTHING})


def test_of_an_older_text_the_entities_are_known_to_the_last_digit() -> None:
    memory = Memory(b"key", recent=2)
    first, *_ = filled(memory, 9)
    seen = memory.get(first)
    assert seen is not None
    assert (seen.entities, seen.plans) == (FOUND, {})
    assert memory.get(first) is seen  # it is a recent one again


def test_use_keeps_a_text_recent() -> None:
    memory = Memory(b"key", recent=2)
    first, second = filled(memory, 2)
    known = memory.get(first)
    memory.put(memory.key("another", ""), FOUND)
    assert memory.get(first) is known
    assert (seen := memory.get(second)) is not None
    assert not seen.plans


def test_the_oldest_texts_are_forgotten() -> None:
    memory = Memory(b"key", texts=5, recent=2)
    keys = filled(memory, 8)
    assert [memory.get(key) is not None for key in keys] == [False] * 3 + [True] * 5


def test_many_values_fill_the_memory_sooner() -> None:
    few = Memory(b"key", recent=100, entities=7)
    keys = filled(few, 9)
    assert sum(bool((seen := few.get(key)) and seen.plans) for key in reversed(keys)) == 3
    short = Memory(b"key", recent=1, folded_chars=500)
    known = [short.get(key) is not None for key in reversed(filled(short, 9))]
    assert True in known
    assert False in known


def test_one_text_with_more_than_all_the_room_is_kept_alone() -> None:
    memory = Memory(b"key", entities=1, folded_chars=1)
    first, last = filled(memory, 2)
    assert memory.get(first) is None
    assert memory.get(last) is not None


def test_putting_a_text_twice_takes_its_room_once() -> None:
    memory = Memory(b"key", recent=1, entities=4, folded_chars=400)
    key, other = memory.key("a", ""), memory.key("b", "")
    for _ in range(50):
        memory.put(key, FOUND)
        memory.put(other, FOUND)
    assert memory.get(key) is not None
    assert memory.get(other) is not None


def test_a_text_that_comes_back_late_is_cleared_as_before(redactor: Redactor) -> None:
    first = chat(f"Please write to ada@example.com today. {'We know each other for long. ' * 8}")
    before = clear(redactor, first)
    for number in range(600):
        clear(redactor, chat(f"Case {number} is about +44 20 7946 0123. {'Thank you for that. ' * 10}"))
    after = clear(redactor, first)
    assert "ada@example.com" not in after.body["messages"][0]["content"]
    assert (after.body, after.findings, after.vault) == (before.body, before.findings, before.vault)
