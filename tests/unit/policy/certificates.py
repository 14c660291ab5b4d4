"""Certificates as plain values, for tests."""

from pathlib import Path
from typing import Any

import orjson

POLICY: dict[str, Any] = {
    "policy": "a", "schema": 1, "owner": "o@example.com", "delivery": "buffered",
    "hold": {"deadline": "1d", "queue": "q"},
    "confidence": {
        "scorers": [{"kind": "logprob"}],
        "bands": [{"at_least": "certified", "verdict": "pass"}, {"at_least": 0, "verdict": "hold"}],
        "certified": {"alpha": 0.05, "audit_deadline": "2d"},
    },
}  # fmt: skip


def certificate(**changes: Any) -> dict[str, Any]:
    """Give a certificate that holds; keys of `changes` replace it, `key` entries are merged."""
    key = {"automation": "triage", "step": "prompt", "prompt": "sort@2", "model": "m-1"}
    key |= {"scorer": "0" * 12, "policy": "1" * 12, **changes.pop("key", {})}
    value: dict[str, Any] = {
        "certificate": "triage-1", "schema": 1, "key": key, "alpha": 0.05, "delta": 0.1,
        "window": {
            "id": "none/1", "audit_rate": 1, "since": "2026-11-01T00:00:00Z", "until": "2026-11-20T00:00:00Z",
        },
        "sample": {"n": 300, "errors": 41, "unanswered": 0, "calibration": 60},
        "look": {"planned": [100, 300], "used": [100, 300], "delta": 0.06},
        "threshold": 0.8, "coverage": 0.4,
        "tests": [
            {"threshold": 0.9, "passed": 60, "errors": 0, "p_value": 0.0461},
            {"threshold": 0.8, "passed": 96, "errors": 1, "p_value": 0.0441},
        ],
        "calibration": {
            "method": "isotonic", "scores": [0.2, 0.6, 0.9], "probabilities": [0.5, 0.7, 0.99], "error": 0.03,
            "bins": [{"low": 0.2, "high": 0.9, "n": 240, "predicted": 0.85, "observed": 0.84}],
        },
        "activated_by": "o@example.com",
        "fitted_at": "2026-11-21T00:00:00Z", "expires": "2027-02-21T00:00:00Z",
    }  # fmt: skip
    return value | changes


def store(tree: Path, value: dict[str, Any], name: str = "triage-1") -> Path:
    """Write a certificate into a policy folder; JSON is YAML."""
    (tree / "certificates").mkdir(exist_ok=True)
    (tree / "certificates" / f"{name}.yaml").write_bytes(orjson.dumps(value))
    return tree
