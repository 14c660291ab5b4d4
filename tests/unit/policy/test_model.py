"""Which policies are valid: the model refuses what could not be kept."""

from typing import Any

import pytest
from pydantic import ValidationError

from policy.model import Policy

HEAD: dict[str, Any] = {"policy": "p", "schema": 1, "owner": "o@example.com"}
SCORER = [{"kind": "logprob"}]
HOLD = {"queue": "q", "deadline": "4h"}


def bands(*steps: tuple[object, str], **more: Any) -> dict[str, Any]:
    listed = [{"at_least": floor, "verdict": verdict} for floor, verdict in steps]
    return {"scorers": SCORER, "bands": listed, "unscored": "block", **more}


VALID: list[dict[str, Any]] = [
    {},
    {"delivery": "buffered", "confidence": bands((0.8, "pass"), (0, "block"))},
    {"delivery": "buffered", "hold": HOLD, "confidence": bands((0.8, "pass"), (0, "hold"))},
    {"delivery": "buffered", "confidence": bands((0.8, "pass"), (0, "fallback"), template="sorry")},
    {"delivery": "live", "confidence": bands((0.8, "pass"), (0, "block"), enforce="observe")},
    {"delivery": "live", "tools": {"rules": [{"tool": "*", "at": "offered", "action": "deny"}], "default": "allow"}},
    {
        "delivery": "live",
        "tools": {"rules": [{"tool": "rm", "action": "deny", "enforce": "observe"}], "default": "allow"},
    },
    {
        "delivery": "buffered",
        "confidence": bands(("certified", "pass"), (0, "block"), certified={"alpha": 0.05, "audit_deadline": "2d"}),
    },
    {"redaction": {"request": {"secrets": {"operator": "replace", "with": "<GONE>"}}}},
    {
        "tighten": [
            {
                "when": {"data_class": ["health", "finance"]},
                "delivery": "buffered",
                "redaction": {"answer": {"US_SSN": {"operator": "block"}}},
            }
        ]
    },
]

INVALID: list[tuple[dict[str, Any], str]] = [
    ({"confidence": bands((0.8, "pass"), (0, "block"))}, "cannot take back"),
    ({"confidence": bands((0, "pass"), unscored="block")}, "cannot take back"),
    ({"redaction": {"answer": {"US_SSN": {"operator": "block"}}}}, "cannot take back"),
    ({"tools": {"rules": [{"tool": "rm", "action": "deny"}], "default": "allow"}}, "cannot take back"),
    ({"tools": {"default": "deny"}}, "cannot take back"),
    (
        {"tighten": [{"when": {"x": "y"}, "redaction": {"answer": {"US_SSN": {"operator": "block"}}}}]},
        "cannot take back",
    ),
    ({"delivery": "buffered", "confidence": bands((0.5, "pass"), (0.8, "block"), (0, "block"))}, "must fall"),
    ({"delivery": "buffered", "confidence": bands((0.5, "pass"), (0.5, "block"), (0, "block"))}, "must fall"),
    ({"delivery": "buffered", "confidence": bands((0.8, "pass"), (0.2, "block"))}, "at_least: 0"),
    ({"delivery": "buffered", "confidence": bands((0.8, "pass"), (0, "hold"))}, "no `hold` block"),
    (
        {"delivery": "buffered", "hold": {"deadline": "1h"}, "confidence": bands((0.8, "pass"), (0, "hold"))},
        "needs a queue",
    ),
    (
        {"delivery": "buffered", "hold": {"deadline": "1h"}, "confidence": bands((0, "pass"), unscored="hold")},
        "needs a queue",
    ),
    (
        {
            "delivery": "buffered",
            "hold": {"deadline": "1h"},
            "tools": {"default": "allow", "rules": [{"tool": "pay", "at": "called", "action": "hold"}]},
        },
        "needs a queue",
    ),
    ({"delivery": "buffered", "confidence": bands((0.8, "pass"), (0, "fallback"))}, "needs a template"),
    ({"delivery": "buffered", "confidence": bands((0, "pass"), unscored="fallback")}, "needs a template"),
    ({"delivery": "buffered", "confidence": bands(("certified", "pass"), (0, "block"))}, "need each other"),
    ({"hold": {"deadline": "1h", "reply": "wait"}}, "need each other"),
    ({"hold": {"deadline": "1h", "at_deadline": "fallback"}}, "needs a template"),
    ({"tools": {"rules": [{"tool": "a", "action": "hold"}]}}, "at: called"),
    ({"tools": {"rules": [{"tool": "a", "action": "deny", "at": "called", "when": "arguments.x >"}]}}, "CEL"),
    ({"minimise": {}}, "either `keep` or `drop`"),
    ({"budget": {"rules": [{"period": "day"}]}}, "`usd`, `tokens` or both"),
    ({"retention": {"content": "30"}}, "whole number with its unit"),
    ({"retention": {"content": 30}}, "whole number with its unit"),
    ({"retention": {"content": "12h"}}, "whole days"),
    ({"retention": {"metadata": "0d"}}, "whole days"),
    ({"tighten": [{"when": {"a": "b"}, "retention": {"content": "30s"}}]}, "whole days"),
    ({"redaction": {"request": {"email": {"operator": "mask"}}}}, "pattern"),
    ({"redaction": {"request": {"EMAIL_ADDRESS": {"operator": "hide"}}}}, "'pseudonym'"),
    ({"redaction": {"request": {"EMAIL_ADDRESS": {"operator": "hash", "keep_last": 2}}}}, "operator: mask"),
    ({"redaction": {"allow": ["a"], "deny": {"PERSON": ["a"]}}}, "keep one of them"),
    ({"redaction": {"min_score": "0.4"}}, "number"),
    ({"redaction": {"min_score": True}}, "number"),
    ({"retention": {"legal_hold": "no"}}, "boolean"),
    ({"schema": True}, "integer"),
    ({"schema": 2}, "less than or equal to 1"),
    ({"applies_to": {"team": []}}, "at least 1"),
    ({"applies_to": {"user": "x"}}, "Extra inputs"),
    ({"tighten": [{"when": {"a": "b"}, "redaction": {"on_failure": "pass"}}]}, "'block'"),
    ({"tighten": [{"when": {"a": "b"}, "redaction": {"allow": ["x"]}}]}, "Extra inputs"),
    ({"tighten": [{"when": {}, "delivery": "buffered"}]}, "at least 1"),
    ({"routing": {"rules": [{"candidates": [{"model": "m"}], "when": "request.imput_tokens > 2"}]}}, "unknown"),
    (
        {
            "routing": {
                "rules": [
                    {
                        "candidates": [{"model": "m"}],
                        "split": {
                            "name": "s",
                            "arms": [
                                {"name": "a", "model": "m", "share": 0.5},
                                {"name": "b", "model": "n", "share": 0.4},
                            ],
                        },
                    }
                ]
            }
        },
        "sum to",
    ),
]


@pytest.mark.parametrize("blocks", VALID)
def test_valid_policies_load(blocks: dict[str, Any]) -> None:
    policy = Policy.model_validate(HEAD | blocks)
    again = Policy.model_validate(policy.model_dump(mode="json", by_alias=True))
    assert again == policy


@pytest.mark.parametrize(("blocks", "reason"), INVALID)
def test_invalid_policies_do_not_load(blocks: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Policy.model_validate(HEAD | blocks)
    assert reason in str(caught.value)


def test_a_policy_without_a_redaction_block_redacts_everything_structured() -> None:
    redaction = Policy.model_validate(HEAD).redaction
    assert (
        {"contact", "identity", "finance", "health", "technical", "secrets"}
        == set(redaction.request)
        == set(redaction.answer)
    )
    assert redaction.on_failure == "block"
