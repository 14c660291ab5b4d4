"""The last net under the logs: what has the shape of a secret is masked, whatever brought it there."""

import io
import json
import logging

import pytest

from gateway.logs import JsonLines, scrubbed

SECRETS = (
    "sk-sluice-" + "a" * 43, "sess-" + "b" * 43, "link-" + "c" * 43, "sk-proj-abcdefghij1234567890",
    "whsec_" + "d" * 32, "ghp_" + "e" * 36, "xoxb-123456789012-abcdefghijkl", "AKIAABCDEFGHIJKLMNOP",
    "eyJhbGciOiJIUzI1NiJ9.e30.abc",
)  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("said", ["{}", "Bearer {}", "key={}, and more", "https://u:{}@db.example.com/x"])
def test_a_secret_is_masked_wherever_it_stands(said: str, secret: str) -> None:
    stream = io.StringIO()
    log, handler = logging.Logger("test"), logging.StreamHandler(stream)
    handler.setFormatter(JsonLines("test"))
    log.addHandler(handler)
    try:
        int(said.format(secret))
    except ValueError:
        log.exception("failed with %s", said.format(secret), extra={"detail": said.format(secret)})
    assert secret not in stream.getvalue()
    assert secret[8:] not in stream.getvalue()
    assert json.loads(stream.getvalue())["message"].startswith("failed with")


@pytest.mark.parametrize(
    "text", ["sk-", "link-local", "session sess-", "the task-list of risk-owners", "http://127.0.0.1:8080/x"]
)
def test_other_words_stay(text: str) -> None:
    assert scrubbed(text) == text
