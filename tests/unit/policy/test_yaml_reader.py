"""The reader: YAML 1.2 meanings, limits, and no crash whatever the bytes are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.files import MAX_BYTES
from policy.problems import PolicyErrors, Problem
from policy.yaml_reader import MAX_LINES, MAX_NODES, read_yaml


def refusal(raw: bytes) -> str:
    with pytest.raises(PolicyErrors) as caught:
        read_yaml("f.yaml", raw)
    return str(caught.value)


def found(raw: bytes) -> list[Problem]:
    """Give the problems of bytes that may or may not be fine; anything but `PolicyErrors` would be a crash."""
    try:
        read_yaml("f.yaml", raw)
    except PolicyErrors as error:
        return error.problems
    return []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("off", "off"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("1.10", 1.1),
        ("12:30:45", "12:30:45"),
        ("0777", 777),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("-3", -3),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("2026-01-31", "2026-01-31"),
        ("'1.10'", "1.10"),
        ('"no"', "no"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_plain_values_mean_what_yaml_1_2_says(written: str, meant: object) -> None:
    found = read_yaml("f.yaml", f"key: {written}\n".encode()).data["key"]
    assert found == meant
    assert type(found) is type(meant)


def test_keys_are_text_and_places_are_kept() -> None:
    source = read_yaml("f.yaml", b"on: 1\n429:\n  - a\n  - b: 2\n")
    assert source.data == {"on": 1, "429": ["a", {"b": 2}]}
    assert source.places["429", 1, "b"].value[1:] == (4, 8)
    assert source.places["429", 1, "b"].key[1:] == (4, 5)


@pytest.mark.parametrize(
    ("raw", "where", "what"),
    [
        (b"a: 1\na: 2\n", "f.yaml:2:1", "already given in line 1"),
        (b"a: {b: 1, b: 2}\n", "f.yaml:1:11", "already given"),
        (b"a: &x 1\n", "f.yaml:1:4", "anchors and aliases"),
        (b"a: *x\n", "f.yaml:1:4", "anchors and aliases"),
        (b"a: !!python/object:os.system x\n", "f.yaml:1:4", "tags"),
        (b"a: !include ../x\n", "f.yaml:1:4", "tags"),
        (b"a:\n\tb: 1\n", "f.yaml:2:1", "use spaces"),
        (b"a: 1\n---\nb: 2\n", "f.yaml:2:1", "one document"),
        (b"%YAML 1.1\n---\na: no\n", "f.yaml:2:1", "directives"),
        (b"? [a]\n: b\n", "f.yaml:1:3", "plain text"),
        (b"a: .inf\n", "f.yaml:1:4", "infinite"),
        (b"a: 1e999\n", "f.yaml:1:4", "too large"),
        (b"a: \xff\n", "f.yaml:1:4", "UTF-8"),
        (b'a: "\\ud800"\n', "f.yaml:1:4", "surrogate"),
        (b"a: [1, 2\n", "f.yaml:2:1", "not valid YAML"),
        (b"", "f.yaml:1:1", "empty"),
        (b"- a\n", "f.yaml:1:1", "mapping"),
        pytest.param(b"[" * 15_000, "f.yaml:1:33", "nested deeper than 32", id="deep"),
        (b"a: " + b"[" * 80_000, "f.yaml:1:20000", "longer than"),
        (b"{" * 80_000, "f.yaml:1:20000", "longer than"),
        (b"x" * (MAX_BYTES + 1), "f.yaml:1:1", "larger than"),
        (b"a: 1\n" * MAX_LINES, f"f.yaml:{MAX_LINES}:1", "lines"),
    ],
)
def test_what_is_refused_says_where_and_what_to_do(raw: bytes, where: str, what: str) -> None:
    message = refusal(raw)
    assert message.startswith(where)
    assert what in message


def test_a_bomb_of_values_is_refused() -> None:
    line = b"  - [" + b"1," * 400 + b"1]\n"
    assert "values; split" in refusal(b"a:\n" + line * (MAX_NODES // 300))


def test_long_runs_of_marks_cost_little_and_never_crash() -> None:
    for mark in (b"!", b"&", b"*", b"? ", b"- ", b"'", b'"', b"%", b"|", b">"):
        refusal(b"a: " + mark * (19_000 // len(mark)) + b"\n\tb")


SAMPLE = (
    b"policy: x\nschema: 1\nowner: \"a\"\nredaction:\n  request: {A: {operator: block}, B: [1, 2.5, 'x']}\n"
    b"  text: |\n    one\n\n    two\n  folded: >-\n    a\n    b\n# end\n"
)


def test_a_file_cut_at_any_byte_reads_or_is_refused_with_a_place() -> None:
    for end in range(len(SAMPLE)):
        for problem in found(SAMPLE[:end]):
            assert problem.line >= 1
            assert problem.column >= 1
            assert problem.message


_PIECES = st.sampled_from(
    [
        b"[",
        b"]",
        b"{",
        b"}",
        b"!",
        b"&",
        b"*",
        b'"',
        b"'",
        b"\\",
        b"%",
        b"@",
        b":",
        b"-",
        b"?",
        b"|",
        b">",
        b"\n",
        b" ",
        b"\t",
        b"#",
        b"\\U",
        b"\\x",
        b"\xff",
        b"\x00",
        b"<<: ",
        b"...\n",
        b"---\n",
        b"!<",
        b"=",
        b"%TAG ",
        b"\xe2\x80\xa8",
        b"a: ",
    ]
)


@given(
    st.lists(st.tuples(st.integers(0, len(SAMPLE)), _PIECES, st.integers(0, 4)), max_size=6),
    st.integers(0, len(SAMPLE)),
)
def test_damaged_files_never_crash(edits: list[tuple[int, bytes, int]], end: int) -> None:
    raw = SAMPLE
    for at, piece, removed in edits:
        raw = raw[:at] + piece + raw[at + removed :]
    for each in (raw, raw[:end]):
        found(each)
