"""Embeddings in both encodings, and the list of models."""

import base64
import struct
from typing import Any

import openai
import pytest

from tests.running_gateway import Running
from tests.upstream import Upstream, reply

VECTOR = [0.25, -1.0, 3.5]
PACKED = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()


def vectors(value: Any) -> dict[str, Any]:
    data = [{"object": "embedding", "index": 0, "embedding": value}]
    return {"object": "list", "data": data, "model": "gpt-test", "usage": {"prompt_tokens": 5, "total_tokens": 5}}


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_embeddings(encoding: Any, upstream: Upstream, gateway: Running, client: openai.OpenAI) -> None:
    upstream.default = lambda request: reply(
        vectors(PACKED if request.json.get("encoding_format") == "base64" else VECTOR)
    )
    options: Any = {"encoding_format": encoding} if encoding else {}
    made = client.embeddings.create(model="gpt-test", input=["mail ann@example.com", "b"], **options)
    assert made.data[0].embedding == (PACKED if encoding == "base64" else VECTOR)
    assert b"ann@example.com" not in upstream.received[-1].body
    assert upstream.received[-1].json["input"][1] == "b"
    (end,) = gateway.ends()
    assert (end["endpoint"], end["usage"]["input_tokens"], end["cost_usd"]) == ("embeddings", 5, 5e-06)


def test_token_ids_are_refused_with_a_sentence(upstream: Upstream, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="gpt-test", input=[[1, 2, 3]])
    assert (refused.value.param, refused.value.code) == ("input", "token_input_unsupported")
    assert not upstream.received


def test_the_providers_models_are_listed(upstream: Upstream, gateway: Running, client: openai.OpenAI) -> None:
    model = {"id": "org/gpt-test", "object": "model", "created": 1, "owned_by": "test"}
    upstream.scripts.append(reply({"object": "list", "data": [model]}))
    upstream.scripts.append(reply(model))
    assert [found.id for found in client.models.list()] == ["org/gpt-test"]
    assert client.models.retrieve("org/gpt-test").owned_by == "test"
    assert [request.path for request in upstream.received] == ["/v1/models", "/v1/models/org%2Fgpt-test"]
    assert [end["endpoint"] for end in gateway.ends(2)] == ["models", "models"]


def test_a_model_the_provider_does_not_have(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.scripts.append(reply({"error": {"message": "no such model", "code": "model_not_found"}}, 404))
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("nothing")
    assert missing.value.code == "model_not_found"
