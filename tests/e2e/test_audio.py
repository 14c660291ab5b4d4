"""Audio parts: sound travels byte for byte, and what is said in words is redacted like any text."""

import base64
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.conftest import Start, new_client
from tests.e2e.responses_wire import events, message
from tests.e2e.wire import chunk, completion, usage_chunk
from tests.running_gateway import Running, running_gateway, write_policies
from tests.upstream import Upstream, reply, stream

SOUND = base64.b64encode(bytes(range(256)) * 8).decode()
BOTH = pytest.mark.parametrize("delivery", ["live", "buffered"])
ASK: list[Any] = [
    {"role": "user", "content": [
        {"type": "text", "text": "What does ann@example.com say?"},
        {"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav"}},
    ]},
]  # fmt: skip
SPOKEN: Any = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}


def test_sound_goes_both_ways_unchanged(upstream: Upstream, gateway: Running, client: openai.OpenAI) -> None:
    said = {"id": "audio_1", "data": SOUND, "expires_at": 1, "transcript": "Write to bob@example.com."}
    usage = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29,
             "prompt_tokens_details": {"audio_tokens": 12},
             "completion_tokens_details": {"audio_tokens": 7}}  # fmt: skip
    upstream.default = lambda _request: reply(completion({"content": None, "audio": said}, usage=usage))
    answer = client.chat.completions.create(model="gpt-test", messages=ASK, **SPOKEN)
    text, sound = upstream.received[-1].json["messages"][0]["content"]
    assert "ann@" not in text["text"]
    assert sound["input_audio"] == {"data": SOUND, "format": "wav"}
    assert upstream.received[-1].json["audio"] == SPOKEN["audio"]
    heard = answer.choices[0].message.audio
    assert heard is not None
    assert (heard.data, heard.transcript) == (SOUND, "Write to <EMAIL_ADDRESS>.")
    (end,) = gateway.ends()
    assert (end["usage"]["audio_input_tokens"], end["usage"]["audio_output_tokens"]) == (12, 7)


def test_an_earlier_sound_is_named_by_its_id(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(completion())
    turns: list[Any] = [
        *ASK,
        {"role": "assistant", "audio": {"id": "audio_abc123"}},
        {"role": "user", "content": "And?"},
    ]
    client.chat.completions.create(model="gpt-test", messages=turns)
    assert upstream.received[-1].json["messages"][1] == turns[1]


@BOTH
def test_streamed_sound_is_unchanged_and_its_transcript_redacted(
    delivery: str, upstream: Upstream, start: Start
) -> None:
    pieces = [SOUND[:1000], SOUND[1000:1008], SOUND[1008:]]
    words = ["Write to bob@", "example", ".com, please."]
    audio = [chunk({"audio": {"id": "audio_1", "transcript": ""}})]
    audio += [chunk({"audio": {"transcript": word}}) for word in words]
    audio += [chunk({"audio": {"data": piece}}) for piece in pieces]
    upstream.default = lambda _request: stream(
        *audio, chunk({"audio": {"expires_at": 1}}), chunk({}, "stop"), usage_chunk()
    )
    with new_client(start(delivery)) as client:
        found = list(client.chat.completions.create(model="gpt-test", messages=ASK, stream=True, **SPOKEN))
    heard: list[dict[str, Any]] = [
        event.choices[0].delta.to_dict()["audio"]
        for event in found
        if event.choices and "audio" in event.choices[0].delta.to_dict()
    ]
    assert "".join(part.get("data", "") for part in heard) == SOUND
    assert "".join(part.get("transcript", "") for part in heard) == "Write to <EMAIL_ADDRESS>, please."


def test_media_that_the_policy_blocks_goes_nowhere(tmp_path: Path, upstream: Upstream) -> None:
    folder = write_policies(tmp_path / "policies", upstream.base_url)
    file = folder / "structured.yaml"
    file.write_text(file.read_text().replace("  restore: caller", "  restore: caller\n  media: block"))
    with (
        running_gateway(folder) as gateway,
        new_client(gateway) as client,
        pytest.raises(openai.PermissionDeniedError) as refused,
    ):
        client.chat.completions.create(model="gpt-test", messages=ASK)
    assert refused.value.code == "content_blocked"
    assert not upstream.received


def test_responses_carry_sound_too(upstream: Upstream, client: openai.OpenAI) -> None:
    ids = {"sequence_number": 0}
    told = [{"type": "response.audio.delta", **ids, "delta": SOUND[:1000]},
            {"type": "response.audio.delta", **ids, "delta": SOUND[1000:1006]},
            {"type": "response.audio.transcript.delta", **ids, "delta": "Call bob@"},
            {"type": "response.audio.delta", **ids, "delta": SOUND[1006:]},
            {"type": "response.audio.done", **ids},
            {"type": "response.audio.transcript.delta", **ids, "delta": "example.com"},
            {"type": "response.audio.transcript.done", **ids}]  # fmt: skip
    around = events(message("Hi."))
    upstream.scripts.append(stream(*around[:-1], *told, around[-1], done=False))
    given: Any = [
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": SOUND, "format": "mp3"}}]}
    ]
    found: list[Any] = list(client.responses.create(model="gpt-test", input=given, stream=True))
    assert upstream.received[-1].json["input"] == given
    assert "".join(event.delta for event in found if event.type == "response.audio.delta") == SOUND
    spoken = "".join(event.delta for event in found if event.type == "response.audio.transcript.delta")
    assert spoken == "Call <EMAIL_ADDRESS>"
