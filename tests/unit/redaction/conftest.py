"""Redactors and helpers shared by the redaction tests."""

import asyncio
from typing import Any

import pytest

from policy.blocks_redaction import Redaction
from redaction.redactor import Redactor
from redaction.types import Cleared, Vault

KEY = b"tenant-key-of-the-tests-32-bytes"


@pytest.fixture(scope="session")
def redactor() -> Redactor:
    return Redactor(Redaction(), KEY)


def make(**block: Any) -> Redactor:
    return Redactor(Redaction.model_validate(block), KEY)


def clear(redactor: Redactor, body: dict[str, Any]) -> Cleared:
    return asyncio.run(redactor.clear(body, "chat.completions"))


def chat(text: str) -> dict[str, Any]:
    return {"model": "gpt-5", "messages": [{"role": "user", "content": text}]}


def cleared_text(redactor: Redactor, text: str) -> str:
    content = clear(redactor, chat(text)).body["messages"][0]["content"]
    assert isinstance(content, str)
    return content


def delta(text: str, field: str = "content") -> dict[str, Any]:
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {field: text}, "finish_reason": None}],
    }


FINISH: dict[str, Any] = {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def streamed(redactor: Redactor, vault: Vault, pieces: list[str], field: str = "content") -> tuple[str, str]:
    """Stream pieces through a screen; give the clean text and the reply."""
    screen = redactor.screen(vault, "chat.completions")
    # Whether the next piece is here already changes how pieces leave, never what they say.
    bodies = [body for piece in pieces for body in screen.chunk(delta(piece, field), more=len(piece) % 2 == 0)]
    bodies += screen.chunk(FINISH)
    assert screen.close() == ()
    clean = "".join(body.clean["choices"][0]["delta"].get(field, "") for body in bodies)
    reply = "".join(body.reply["choices"][0]["delta"].get(field, "") for body in bodies)
    return clean, reply


def whole(redactor: Redactor, vault: Vault, text: str, field: str = "content") -> tuple[str, str]:
    """Screen a whole answer; give the clean text and the reply."""
    body = {"choices": [{"index": 0, "message": {"role": "assistant", field: text}, "finish_reason": "stop"}]}
    screened = redactor.screen(vault, "chat.completions").whole(body)
    return screened.clean["choices"][0]["message"][field], screened.reply["choices"][0]["message"][field]
