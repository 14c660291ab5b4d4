"""Azure OpenAI beside another provider: the paths, headers and fields that its interface wants, over sockets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from policy.load import load_tree
from policy.problems import PolicyErrors
from tests.e2e.conftest import new_client
from tests.e2e.wire import ASK, completion, text_chunks, usage_chunk
from tests.running_gateway import Running, running_gateway, write_policies
from tests.upstream import Upstream, reply, stream

FILTERED = {"hate": {"filtered": False, "severity": "safe"}, "jailbreak": {"filtered": False, "detected": False}}
PROMPT_FILTER = [{"prompt_index": 0, "content_filter_results": FILTERED}]
AZURE = """
  azure:
    kind: azure
    base_url: ENDPOINT
    api_key_env: UPSTREAM_KEY
    deployments: {gpt-test: chat-eu-1}
    api_version: 2024-10-21
    timeouts: {connect_s: 1.0, first_byte_s: 2.0, idle_s: 1.0, total_s: 20.0}
"""


@pytest.fixture
def gateway(tmp_path: Path, upstream: Upstream) -> Iterator[Running]:
    policies = write_policies(tmp_path / "policies", upstream.base_url)
    with (policies / "providers.yaml").open("a") as file:
        file.write(AZURE.replace("ENDPOINT", upstream.base_url.removesuffix("/v1")))
    with running_gateway(policies) as running:
        yield running


@pytest.fixture
def client(gateway: Running) -> Iterator[openai.OpenAI]:
    with new_client(gateway) as made:
        yield made


def test_a_call_goes_to_the_deployment_with_azures_header(
    upstream: Upstream, client: openai.OpenAI, gateway: Running
) -> None:
    choice = completion()["choices"][0] | {"content_filter_results": FILTERED}
    upstream.scripts.append(reply(completion() | {"choices": [choice], "prompt_filter_results": PROMPT_FILTER}))
    answer = client.chat.completions.create(model="azure/gpt-test", messages=ASK)
    (sent,) = upstream.received
    assert (sent.method, sent.path) == (
        "POST",
        "/openai/deployments/chat-eu-1/chat/completions?api-version=2024-10-21",
    )
    assert sent.headers["api-key"] == "sk-upstream"
    assert "authorization" not in sent.headers
    assert "ann@example.com" not in sent.body.decode()
    said: dict[str, Any] = answer.to_dict()
    assert said["prompt_filter_results"] == PROMPT_FILTER
    assert said["choices"][0]["content_filter_results"] == FILTERED
    (end,) = gateway.ends()
    assert (end["provider"], end["attempts"][0]["model"]) == ("azure", "gpt-test")


def test_a_stream_keeps_its_content_filter_fields(upstream: Upstream, client: openai.OpenAI) -> None:
    head = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": PROMPT_FILTER}
    first, *rest = text_chunks("Hello ", "there.")
    rest[-1]["choices"][0]["content_filter_results"] = FILTERED
    upstream.scripts.append(stream(head, first, *rest, usage_chunk()))
    chunks: list[dict[str, Any]] = [
        each.to_dict() for each in client.chat.completions.create(model="azure/gpt-test", messages=ASK, stream=True)
    ]
    assert chunks[0]["prompt_filter_results"] == PROMPT_FILTER
    filters = [c["content_filter_results"] for each in chunks for c in each["choices"] if "content_filter_results" in c]
    assert filters == [FILTERED]
    assert "".join(c["delta"].get("content") or "" for each in chunks for c in each["choices"]) == "Hello there."


def test_a_model_without_an_entry_is_a_deployment_of_its_name(upstream: Upstream, client: openai.OpenAI) -> None:
    body = {"object": "list", "model": "x", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}
    upstream.scripts.append(reply(body | {"usage": {"prompt_tokens": 3, "total_tokens": 3}}))
    client.embeddings.create(model="azure/text embedding/3", input="hello", encoding_format="float")
    (sent,) = upstream.received
    assert sent.path == "/openai/deployments/text%20embedding%2F3/embeddings?api-version=2024-10-21"


def test_both_providers_serve_at_once(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(completion())
    for model in ("gpt-test", "azure/gpt-test", "test/other"):
        client.chat.completions.create(model=model, messages=ASK)
    paths = [(each.path.partition("?")[0], "api-key" in each.headers) for each in upstream.received]
    assert paths == [
        ("/v1/chat/completions", False),
        ("/openai/deployments/chat-eu-1/chat/completions", True),
        ("/v1/chat/completions", False),
    ]


def test_a_filtered_prompt_is_a_refusal_with_azures_code(upstream: Upstream, client: openai.OpenAI) -> None:
    error = {"message": "filtered", "type": None, "param": "prompt", "code": "content_filter", "status": 400}
    upstream.scripts.append(reply({"error": error}, 400))
    with pytest.raises(openai.BadRequestError) as failed:
        client.chat.completions.create(model="azure/gpt-test", messages=ASK)
    assert failed.value.code == "content_filter"


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("base_url: https://a.example, api_version: 2024-10-21", "belong to `kind: azure`"),
        ("kind: azure, base_url: https://a.example, responses: native", "ends in /openai/v1"),
        ("kind: azure, base_url: https://a.example, api_version: newest", "api_version"),
    ],
)
def test_what_cannot_be_meant_is_refused(entry: str, sentence: str, tmp_path: Path) -> None:
    policies = write_policies(tmp_path / "policies", "http://127.0.0.1:1/v1")
    with (policies / "providers.yaml").open("a") as file:
        file.write(f"  azure: {{{entry}}}\n")
    with pytest.raises(PolicyErrors) as refused:
        load_tree(policies)
    assert sentence in str(refused.value.problems[0])
