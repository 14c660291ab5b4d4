"""Which question of which rule a bundle answers, and with what; docs/reference/compliance.md says it at length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Control:
    """One requirement, and where its answer stands: kinds of events (a dot at the end: all that begin so), columns."""

    rule: str
    question: str
    kinds: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


_OVERSIGHT: Final = ("review.", "stop.", "outcome")
_ACCESS: Final = ("login", "login.failed", "logout", "content.read", "review.revealed", "export.", "subject.")
_IDENTITY: Final = ("key.", "user.", "service.", "roles.changed", "tenant.created", "password.changed", "link.created")
_POLICY: Final = ("policy.", "certificate.", "split.moved")
_TROUBLE: Final = ("gap", "journal.damaged", "budget.alert")
_CALL: Final = ("call_id", "ts_us", "end_us", "policy", "model_answered", "verdict")

PROFILES: Final[Mapping[str, tuple[Control, ...]]] = {
    "ai-act": (
        Control("AI Act 12", "Are events recorded over the system's lifetime?", ("gap", "journal.damaged"), _CALL),
        Control("AI Act 14", "Could people oversee, override and stop it?", _OVERSIGHT, ("reviewer", "review_state")),
        Control("AI Act 19", "Are the logs kept for six months at least?", ("retention.",)),
        Control("AI Act 26", "Is its operation monitored by whoever deploys it?", (*_OVERSIGHT, "weekly.", "agenda.")),
    ),
    "gdpr": (
        Control("GDPR 5", "Is personal data minimised, and not kept for long?", ("retention.",), ("redactions",)),
        Control("GDPR 15", "Were people given their data?", ("subject.",)),
        Control("GDPR 17", "Was data erased on request?", ("erasure",)),
        Control("GDPR 25", "Is protection built in, by policy?", _POLICY, ("policy", "policy_hash", "redactions")),
        Control("GDPR 30", "What is processed, why, for how long? See `sluice policy processing`.", _POLICY),
        Control("GDPR 32", "Who had access?", (*_ACCESS, *_IDENTITY)),
    ),
    "hipaa": (
        Control("HIPAA 164.312(b)", "Is activity with health information recorded and examined?", _ACCESS, _CALL),
        Control("HIPAA 164.312(a)", "Who may use them?", _IDENTITY),
        Control("HIPAA 164.316(b)(2)", "Are the records kept for six years?", ("retention.",)),
    ),
    "soc2": (
        Control("SOC 2 CC6", "Who has access, and who gave it?", _IDENTITY),
        Control("SOC 2 CC7", "Are anomalies detected and answered?", (*_TROUBLE, *_OVERSIGHT, *_ACCESS)),
        Control("SOC 2 CC8", "Are changes approved and traceable?", _POLICY, ("git_commit", "dirty", "snapshot")),
    ),
}  # fmt: skip


def answered(profile: str, counts: Mapping[str, int]) -> list[dict[str, object]]:
    """Return the controls of a profile with how many events of the bundle answer each."""
    return [
        {
            "rule": control.rule,
            "question": control.question,
            "kinds": list(control.kinds),
            "columns": list(control.columns),
            "events": sum(n for kind, n in counts.items() if _fits(kind, control.kinds)),
        }
        for control in PROFILES[profile]
    ]


def _fits(kind: str, wanted: tuple[str, ...]) -> bool:
    return any(kind == each or (each.endswith(".") and kind.startswith(each)) for each in wanted)
