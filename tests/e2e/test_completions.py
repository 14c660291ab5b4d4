"""Legacy completions through an unchanged client: the same redaction, record and honest end as chat."""

from typing import Any

import openai
import pytest

from tests.e2e.conftest import Start, new_client
from tests.e2e.wire import USAGE
from tests.running_gateway import Running
from tests.upstream import Received, Step, Upstream, reply, stream

ASK = "Write to ann@example.com please."
BOTH = pytest.mark.parametrize("delivery", ["live", "buffered"])


def completion(*texts: str, **more: Any) -> dict[str, Any]:
    choices = [{"index": n, "text": text, "finish_reason": "stop", "logprobs": None} for n, text in enumerate(texts)]
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "gpt-test"} | {
        "choices": choices, "usage": USAGE} | more  # fmt: skip


def piece(text: str, finish: str | None = None, index: int = 0, logprobs: Any = None) -> dict[str, Any]:
    choice = {"index": index, "text": text, "finish_reason": finish, "logprobs": logprobs}
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "gpt-test", "choices": [choice]}


def mark(request: Received) -> str:
    sent: str = request.json["prompt"]
    return sent.removeprefix("Write to ").removesuffix(" please.")


def test_values_stay_here_and_come_back(upstream: Upstream, gateway: Running, client: openai.OpenAI) -> None:
    upstream.default = lambda request: reply(completion(f"Sent to {mark(request)}, not bob@example.com."))
    answer = client.completions.create(model="gpt-test", prompt=ASK)
    assert b"ann@example.com" not in upstream.received[-1].body
    assert upstream.received[-1].path == "/v1/completions"
    assert answer.choices[0].text == "Sent to ann@example.com, not <EMAIL_ADDRESS>."
    (end,) = gateway.ends()
    assert (end["endpoint"], end["outcome"], end["finish_reasons"]) == ("completions", "ok", ["stop"])
    assert end["usage"]["cached_input_tokens"] == 6
    assert end["entities"]["request"] == {"EMAIL_ADDRESS": 1}
    assert end["cost_usd"] is not None


def test_several_prompts_give_several_choices(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(completion("one", "two"))
    answer = client.completions.create(model="gpt-test", prompt=["Say one.", "Mail ann@example.com."])
    assert [choice.text for choice in answer.choices] == ["one", "two"]
    first, second = upstream.received[-1].json["prompt"]
    assert first == "Say one."
    assert "ann@" not in second


@pytest.mark.parametrize("prompt", [[1, 2, 3], [[1, 2], [3]]])
def test_token_ids_are_refused(prompt: Any, upstream: Upstream, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="gpt-test", prompt=prompt)
    assert (refused.value.code, refused.value.param) == ("token_input_unsupported", "prompt")
    assert not upstream.received


@pytest.mark.parametrize("prompt", [{"id": "p"}, [], [{}], 7, None])
def test_other_prompts_are_refused(prompt: Any, upstream: Upstream, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="gpt-test", prompt=prompt)
    assert refused.value.param == "prompt"
    assert not upstream.received


@BOTH
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_streams_give_the_same_text(delivery: str, size: int, upstream: Upstream, start: Start) -> None:
    def answer(request: Received) -> list[Step]:
        text = f"Sent to {mark(request)}, not bob@example.com"
        pieces = [piece(text[at : at + size]) for at in range(0, len(text), size)]
        return stream(*pieces, piece("", "stop"), piece("") | {"choices": [], "usage": USAGE})

    upstream.default = answer
    gateway = start(delivery)
    with new_client(gateway) as client:
        events = list(client.completions.create(model="gpt-test", prompt=ASK, stream=True))
    assert all(isinstance(choice.text, str) for event in events for choice in event.choices)
    assert "".join(event.choices[0].text for event in events) == "Sent to ann@example.com, not <EMAIL_ADDRESS>"
    assert events[-1].choices[0].finish_reason == "stop"
    assert gateway.ends()[0]["usage_estimated"] is False


def test_a_stream_of_two_prompts_needs_two_ends(upstream: Upstream, client: openai.OpenAI) -> None:
    def ask() -> str:
        events = client.completions.create(model="gpt-test", prompt=["a", "b"], stream=True)
        return "".join(choice.text for event in events for choice in event.choices if choice.index == 1)

    first, second = (piece("one", "stop"), piece("two", "stop", 1))
    upstream.scripts.append(stream(first, second))
    assert ask() == "two"
    upstream.scripts.append(stream(first, piece("tw", None, 1), done=False))
    with pytest.raises(openai.APIError) as cut:
        ask()
    assert cut.value.code == "upstream_truncated"


def logprobs(*tokens: str) -> dict[str, Any]:
    return {
        "tokens": list(tokens),
        "token_logprobs": [-0.1] * len(tokens),
        "top_logprobs": [{token: -0.1} for token in tokens],
        "text_offset": list(range(len(tokens))),
    }


def test_log_probabilities_stay_with_unchanged_text_only(upstream: Upstream, client: openai.OpenAI) -> None:
    given = logprobs("Hel", "lo")
    for text, kept in (("Hello", given), ("bob@example.com", None)):
        body = completion(text)
        body["choices"][0]["logprobs"] = given
        upstream.scripts.append(reply(body))
        answer = client.completions.create(model="gpt-test", prompt="Hi.", logprobs=1)
        found = answer.choices[0].logprobs
        assert (found.model_dump(exclude_none=True) if found else None) == kept


def test_streamed_log_probabilities_of_changed_text_never_leave(upstream: Upstream, client: openai.OpenAI) -> None:
    tokens = ["Hello ", "there ", "bob@", "example", ".com ", "and ", "bye "]
    pieces = [piece(token, logprobs=logprobs(token)) for token in tokens]
    upstream.scripts.append(stream(*pieces, piece("", "stop")))
    events = list(client.completions.create(model="gpt-test", prompt="Hi.", logprobs=1, stream=True))
    left = [name for event in events if (found := event.choices[0].logprobs) for name in found.tokens or []]
    assert "".join(event.choices[0].text for event in events) == "Hello there <EMAIL_ADDRESS> and bye "
    assert "Hello " in left
    assert not {"bob@", "example", ".com "} & set(left)
