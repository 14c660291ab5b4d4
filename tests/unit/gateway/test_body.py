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
