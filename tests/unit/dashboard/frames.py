"""Small, readable answers of the recorder's queries for the page tests."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from dashboard.data import MemoryData, frame
from dashboard.reviews import MemoryDesk
from dashboard.trust import MemoryTrust
from metrics.client import Table, Watermark
from metrics.health.measures import Value
from policy.certificate import Certificate
from policy.values import dump
from tests.unit.policy.certificates import certificate

TS = 1_790_000_000_000_000
CALL: dict[str, Any] = {
    "seq": 1, "call_id": "call_1", "ts_us": TS, "automation": "triage", "run_id": "run_1", "step": "classify",
    "status": 200, "outcome": "ok", "error_code": None, "verdict": "pass", "policy": "support",
    "policy_hash": "abc123abc123",
    "model_requested": "simulated-small", "model_answered": "simulated-small", "simulated": True, "cost_usd": 0.001,
    "total_ms": 12.0, "overhead_ms": 1.0, "tokens_in": 100, "tokens_out": 20, "entities": 2,
}  # fmt: skip
FULL = CALL | {
    "admit_us": 50, "bind_us": 5, "clear_us": 300, "choose_us": 5, "invoke_us": 11000, "screen_us": 100,
    "score_us": None,    "judge_us": 2, "act_us": 1, "restore_us": 20, "record_us": 400,
    "entities": [{"side": "request", "kind": "EMAIL_ADDRESS", "n": 2}],
    "attempts": [{"n": 1, "provider": "simulated", "model": "simulated-small", "status": 200, "error_code": None,
                  "first_byte_ms": 10.0, "total_ms": 11.0, "cost_usd": 0.001}],
    "outcomes": [{"metric": "success", "value": 1.0, "word": None, "source": "system", "corrected": False}],
}  # fmt: skip


def rows(*items: dict[str, Any], columns: tuple[str, ...] = ()) -> pd.DataFrame:
    names = columns or tuple(items[0])
    return frame(Table(names, [[item.get(name) for name in names] for item in items], Watermark(1, TS)))


POLICY = {"policy": "support", "policy_hash": "abc123abc123", "git_commit": "0123456789abcdef", "dirty": True,
          "calls": 40,          "first_ts_us": TS, "last_ts_us": TS, "automations": ["triage", None]}  # fmt: skip
OBSERVED = {"policy": "support", "automation": None, "what": "would refuse", "rule": "limits.requests", "calls": 3}
ALERT_BODY = '{"snapshot": "0123456789abcdef", "share": 0.8, "cap": 2000000000, "unit": "usd", "period": "day"}'
ALERT = {"ts_us": TS, "actor": "keeper", "automation": "triage", "body": ALERT_BODY}


STATE: dict[str, Any] = {
    "budgets": [{"whose": "team:support", "unit": "usd", "period": "day", "alerted": 0.8, "cap": 2_000_000_000,
                 "spent": 1_250_000_000, "leased": 50_000_000, "period_us": TS, "until_us": TS}],
    "splits": [{"policy": "support", "split": "canary", "share": 0.3, "since_us": TS, "reason": "measures hold"}],
    "candidates": [{"automation": "triage", "step": "", "model": "openai/gpt-5", "known": 60, "succeeded": 51,
                    "seen": 20, "overridden": 2}],
    "automations": [{"automation": "triage", "baseline": {"minutes_per_task": 14}}],
    "certificates": [dump(Certificate.model_validate(certificate())) | {"state": "in force"}],
}  # fmt: skip
SHADOW = {"automation": "triage", "model": "gpt-5", "shadow": "openai/gpt-5-mini", "copies": 9, "answered": 9,
          "same_text": 0.5, "same_tools": 1.0, "word_overlap": 0.8, "shadow_cost_usd": 0.1, "cost_usd": 0.4,
          "shadow_ms": 300.0, "total_ms": 500.0}  # fmt: skip


AUDITED = {
    "call_id": "call_1", "end_us": TS, "automation": "triage", "step": "prompt", "score": 0.9, "error": False,
    "deadline_us": TS * 2, "rate": 0.1, "window": "triage-1/0.1", "certificate": "triage-1", "reason": "certified",
    "prompt": "sort@2", "model": "m-1", "scorer": "0" * 12, "policy": "1" * 12,
}  # fmt: skip


def figures(*found: tuple[Any, ...]) -> pd.DataFrame:
    """Figures of a measure: (bucket, group, part, value, low, high, k, n, unknown)."""
    return pd.DataFrame(list(found), columns=list(Value._fields))


def _rate(group: str | None, name: str, k: int, n: int, bucket: str | None = None) -> tuple[Any, ...]:
    return (bucket, group, name, k / n, max(0.0, k / n - 0.1), min(1.0, k / n + 0.1), k, n, 3)


def _plain(group: str | None, name: str, value: float | None, unknown: int = 0) -> tuple[Any, ...]:
    return (None, group, name, value, None, None, None, 40, unknown)


ENDINGS = {"calls": 40, "runs": 20, "answered": 36, "held": 2, "refused": 1, "failed": 1, "abandoned": 0}
COSTS = {"total": 1.25, "answers": 1.0, "failed": 0.1, "retried": 0.05, "judge": 0.1, "shadow": 0.0}
TIMES = {f"{what}_p{p}": 10.0 * p for what in ("total", "upstream", "overhead") for p in (50, 95, 99)}
MEASURES = {
    "measure cost": figures(*(_plain("triage", name, usd, 2) for name, usd in COSTS.items())),
    "measure cost_per_success": figures(_plain("triage", "total", 0.07)),
    "measure latency": figures(*(_plain("triage", name, ms) for name, ms in TIMES.items())),
    "measure redactions": figures(_plain(None, "request EMAIL_ADDRESS", 12)),
    "measure success": figures(_rate("triage", "success", 18, 20, "2026-W47")),
    "measure override": figures(_rate("triage", "of_seen", 1, 5, "2026-W47")),
    "measure time_saved": figures(_plain("triage", "saved", 252.0)),
    "measure return_on_cost": figures(_plain("triage", "return", 201.6)),
    "measure tokens": figures(_plain(None, "input", 5000)),
    "measure cache": figures(_rate(None, "prompt_tokens", 10, 100)),
    "measure layer_prompt": figures(_rate("draft@3", "valid", 17, 20)),
    "measure layer_retrieval": figures(_rate("triage", "hit", 8, 10)),
    "measure layer_orchestration": figures(_rate("triage", "failed", 1, 40)),
    "measure failures": figures(_plain("triage", "prompt", 2), _plain("triage", "retrieval", 1)),
    "measure groundedness": figures(_plain(None, "mean", 0.8)),
}
FAULT = {"run_id": "run_9", "automation": "triage", "ts_us": TS, "layer": "prompt", "reason": "answer not valid"}


def busy(simulated: int = 40, status: dict[str, Any] | None = None) -> MemoryData:
    ended = ENDINGS | {"simulated": simulated}
    return MemoryData(
        {
            **MEASURES,
            "measure volume": figures(*(_plain("triage", name, n) for name, n in ended.items())),
            "faults": rows(FAULT, FAULT | {"layer": "retrieval", "reason": "search found nothing"}, FAULT),
            "calls_over_time": rows(
                {"slice_ts_us": TS, "ending": "pass", "calls": 34, "cost_usd": 1.25, "unpriced": 0},
                {"slice_ts_us": TS, "ending": "hold", "calls": 4, "cost_usd": 0.0, "unpriced": 0},
            ),
            "latency_by_stage": rows(
                {"stage": "clear", "calls": 40, "p50_us": 300.0, "p95_us": 800.0, "p99_us": 900.0}
            ),
            "entities": rows({"side": "request", "kind": "EMAIL_ADDRESS", "n": 12, "calls": 9}),
            "policies": rows(POLICY, POLICY | {"git_commit": None}),
            "calls": rows(CALL),
            "call": rows(FULL),
            "observed": rows(OBSERVED),
            "events": rows(ALERT),
            "shadows": rows(SHADOW),
            "audited": rows(AUDITED, AUDITED | {"error": None}, AUDITED | {"error": True}),
        },
        status or {"breakers": [{"name": "openai/gpt-5", "state": "open", "open_s": 9, "failures_in_a_row": 5}]},
        STATE,
    )


def empty() -> MemoryData:
    found = busy(0, {"breakers": []})
    found.frames |= dict.fromkeys(("measure volume", *MEASURES), figures()) | {"faults": rows(columns=tuple(FAULT))}
    found.state = {}
    none: dict[str, dict[str, Any]] = {"policies": POLICY, "observed": OBSERVED, "events": ALERT, "shadows": SHADOW}
    found.frames |= {name: rows(columns=tuple(kind)) for name, kind in none.items()}
    return found


def no_such_call() -> MemoryData:
    found = busy()
    found.frames["call"] = rows(columns=tuple(FULL))
    return found


BROKEN = {
    "policy": {
        "problems": [{"file": "support.yaml", "line": 7, "column": 3, "path": "redaction", "message": "unknown key"}]
    }
}


def no_longer(state: str, reason: str | None = None) -> MemoryData:
    """One certificate that is not in force."""
    found = busy()
    gone = {"reason": reason, "withdrawn_by": "usr_1", "withdrawn_us": TS} if reason else None
    found.state = {"certificates": [STATE["certificates"][0] | {"state": state, "withdrawal": gone}]}
    return found


def unsuccessful() -> MemoryData:
    found = busy()
    found.frames["measure cost_per_success"] = figures(_plain("triage", "total", None))
    return found


CASES: Mapping[str, Callable[[], MemoryData]] = {
    "unsuccessful": unsuccessful,
    "busy": busy,
    "real": lambda: busy(0),
    "broken-policy": lambda: busy(status=BROKEN),
    "empty": empty,
    "no-such-call": no_such_call,
    "withdrawn": lambda: no_longer("withdrawn", "drift"),
    "by-hand": lambda: no_longer("withdrawn", "by_hand"),
    "expired": lambda: no_longer("expired"),
    "unused": lambda: no_longer("unused: no policy has these scorers and output-shaping parts now"),
}


def held(number: int) -> dict[str, Any]:
    return {
        "id": f"rev_{number}", "kind": "hold", "state": "open", "output": "none", "queue": "letters",
        "automation": "drafting", "call_id": f"call_{number}", "policy": "letters@abc", "rule": "bands[1]",
        "score": 0.4, "risk": 0.6, "assignee": None, "decided_by": None, "reason": None, "at_deadline": "reject",
        "opened_at": TS // 1_000_000, "deadline_at": TS // 1_000_000 + 3600, "text": "Hello [EMAIL_abcdef] <b>",
        "texts": ["Hello [EMAIL_abcdef] <b>"],
        "request": {"messages": [{"role": "user", "content": "Write to [EMAIL_abcdef]."}]}, "comments": [],
        "findings": [["messages[0].content", "EMAIL_ADDRESS", 9, 23, "pseudonym"]], "edit": None,
        "scores": [{"kind": "logprob", "score": 0.4, "ms": 0.1, "cost_usd": 0.0}],
    }  # fmt: skip


CALLING = {"calls": [{"name": "refund", "arguments": {"amount": 500}}], "texts": ["One", "Two"], "text": "One\n\nTwo"}
TREE: dict[str, Any] = {
    "records": 1205, "signed": 1200, "signed_at": "2026-11-21T23:58:00Z", "checkpoint": "sluice/1\n1200\nroot\n",
    "key": "sluice/1+aa+bb", "problem": None,
    "anchors": {
        "folder:/mnt/kept": {"size": 1200, "at_us": TS, "problem": None},
        "git:host:anchors.git": {"size": 900, "at_us": TS, "problem": "git: push failed"},
    },
}  # fmt: skip
HOLD = {"reference": "case-7", "subject_ref": None, "automation": "triage", "since": None, "until": None}
HOLD |= {"set_by": "usr_ann", "set_at": "2026-11-01T00:00:00+00:00", "lifted_at": None}
ERASURE = {"id": "era_1", "requested_at": 1_790_000_000, "done_at": 1_790_000_003, "basis": "gdpr-17", "verified": True}
ERASURE |= {"subject_refs": ["sub_1"], "event_ids": ["c1.e", "c2.e", "c3.e"], "stores": {"content": 3, "sealed": 1}}
EXPORT = {"id": "exp_1", "asked_us": TS, "actor": "usr_eve", "profile": "soc2", "since_us": TS, "until_us": TS + 1}
EXPORT |= {"rows": 12, "state": "done", "problem": None, "manifest_sha256": "ab" * 32}
RULE = {"applies_to": {"data_class": ["health"]}, "metadata": 400, "audit": 2192, "legal_hold": False}
RUN = {"day": "2026-11-21", "done_us": TS, "outcome": {"keys": {"content": 4}, "records": 7, "held": 2}}
FINDING = {"code": "x", "severity": "danger", "wrong": "It listens everywhere.", "advice": "Set SLUICE_HOST."}
TRUST: Mapping[str, MemoryTrust] = {
    "full": MemoryTrust(TREE, {"rules": [RULE], "runs": [RUN], "holds": [HOLD], "erasures": [ERASURE],
                               "exports": [EXPORT], "findings": [FINDING]}),
    "fresh": MemoryTrust({**TREE, "records": 0, "signed": 0, "signed_at": None, "checkpoint": None, "anchors": {}}),
    "broken": MemoryTrust({**TREE, "problem": "3 records were signed, and only 2 leaves are there"}),
    "viewer": MemoryTrust(TREE, dict.fromkeys(("rules", "runs", "holds", "erasures", "exports", "findings"))),
    "without": MemoryTrust(),
}  # fmt: skip
DESKS: Mapping[str, MemoryDesk] = {
    "choices": MemoryDesk([held(1) | CALLING]),
    "handed": MemoryDesk([held(1)]),
    "one": MemoryDesk([held(1), held(2)]),
    "edit": MemoryDesk([held(1)]),
    "stop": MemoryDesk([]),
    "nothing": MemoryDesk([]),
}
