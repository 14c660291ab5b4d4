"""Which request bodies are refused, and that the refusal says where."""

import pytest

from gateway.errors import BadRequest
from gateway.wire import body, chat, embeddings


@pytest.mark.parametrize(
    "raw",
    [
        *(
            b"",
            b"  ",
            b"{",
            b"nope",
            b"[1]",
            b'"x"',
            b"NaN",
            b'{"a": NaN}',
            b'{"a": "\xff"}',
            b'{"a": "\\ud800"}',
            b"\x00",
        ),
        *(b"[" * 200 + b"]" * 200, b'{"a":' * 200 + b"1" + b"}" * 200, b'{"a":' + b"[" * 100_000),
    ],
)
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        body.parse(raw)


@pytest.mark.parametrize("number", ["18446744073709551616", "-9223372036854775809", "1" * 100])
def test_a_whole_number_that_would_lose_digits_is_refused_with_its_place(number: str) -> None:
    with pytest.raises(BadRequest, match=r"line 2, column 8\)") as refused:
        body.parse(f'{{"a": "12345678901234567890",\n "b": [{number}]}}'.encode())
    assert refused.value.code == "invalid_value"
    assert number not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        ("12345678901234567890.5", 12345678901234567890.5),
        ("12345678901234567890e1", 12345678901234567890e1),
        ("0.12345678901234567890", 0.1234567890123456789),
        ('"\\"12345678901234567890123"', '"12345678901234567890123'),
    ],
)
def test_other_numbers_and_texts_pass_as_they_are(text: str, value: object) -> None:
    assert body.parse(b'{"a": %s}' % text.encode()) == {"a": value}


def test_many_brackets_that_are_not_deep_are_fine() -> None:
    assert body.parse(b'{"a": [' + b",".join(b"[1]" for _ in range(5000)) + b"]}")["a"][0] == [1]


@pytest.mark.parametrize(
    ("request_body", "param"),
    [
        ({}, "model"),
        ({"model": ""}, "model"),
        ({"model": 5, "messages": [{}]}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": "hi"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": [{}, 3]}, "messages[1]"),
        ({"model": "m", "messages": [{}], "stream": "yes"}, "stream"),
        ({"model": "m", "messages": [{}], "stream_options": 1}, "stream_options"),
        ({"model": "m", "messages": [{}], "n": True}, "n"),
        ({"model": "m", "messages": [{}], "metadata": "x"}, "metadata"),
    ],
)
def test_wrong_chat_requests_name_the_parameter(request_body: dict[str, object], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        chat.check(request_body)
    assert refused.value.param == param


@pytest.mark.parametrize("given", [[1, 2, 3], [[1, 2], [3]], [1, "x"]])
def test_token_ids_are_refused_because_they_cannot_be_searched(given: object) -> None:
    with pytest.raises(BadRequest) as refused:
        embeddings.check({"model": "m", "input": given})
    assert refused.value.code == "token_input_unsupported"


@pytest.mark.parametrize("given", ["text", ["a", "b"]])
def test_texts_may_be_embedded(given: object) -> None:
    embeddings.check({"model": "m", "input": given})
