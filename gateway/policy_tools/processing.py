"""The record of processing (GDPR, Article 30) as far as policy files know it; what they do not know is said."""

from collections.abc import Iterator
from typing import Any, Final

from policy.automations import governing_policies
from policy.model import Policy
from policy.snapshot import Snapshot

_SECURITY: Final = "texts sealed with AES-256-GCM under keys that are destroyed; roles; a signed record of every use"
TO_ADD: Final = (
    "controller, joint controllers, representative and data protection officer",
    "categories of data subjects, and the lawful basis",
    "transfers to third countries, and their safeguards",
    "recipients beyond the model providers",
)
_EMPTY: Final = {"redacted": "nothing", "not_redacted": "nothing that a rule names"}
COLUMNS: Final = {
    "policy": "Policy", "owner": "Owner", "purposes": "Purposes", "governs": "Whose calls", "redacted": "Redacted",
    "not_redacted": "Passed on", "recipients": "Recipients", "retention": "Kept for", "security": "Security",
}  # fmt: skip


def processing(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return one activity of processing for each policy."""
    policies, automations = list(snapshot.policies.values()), snapshot.automations.values()
    governing = {each.purpose: {policy.policy for policy in governing_policies(each, policies)} for each in automations}
    recipients = [f"{each.name} ({each.region or 'region not given'})" for each in snapshot.providers.values()]
    return [
        _activity(policy, [purpose for purpose, by in governing.items() if policy.policy in by], recipients)
        for policy in policies
    ]


def _activity(policy: Policy, purposes: list[str], recipients: list[str]) -> dict[str, Any]:
    rules = policy.redaction.request
    return {
        "policy": policy.policy,
        "owner": policy.owner,
        "purposes": purposes,
        "governs": [f"{name}: {', '.join(sorted(of))}" for name, of in policy.applies_to.named().items()]
        or ["any key"],
        "redacted": [f"{kind} ({rule.operator})" for kind, rule in rules.items() if _acts(rule)],
        "not_redacted": [kind for kind, rule in rules.items() if not _acts(rule)],
        "recipients": recipients,
        "retention": list(_kept(policy.retention.model_dump())),
        "security": _SECURITY,
    }


def _kept(retention: dict[str, Any]) -> Iterator[str]:
    for name, value in retention.items():
        if isinstance(value, dict):  # classes kept otherwise than a profile says, each with the reason
            yield from (f"{of} outside of its profile: {why}" for of, why in value.items())
        elif isinstance(value, tuple):
            yield from (f"profile {of}" for of in value)
        elif not isinstance(value, bool):
            yield f"{name}: {value}"
        elif value:
            yield "legal hold: nothing is deleted"


def _acts(rule: Any) -> bool:
    return bool(rule.enforce == "on" and rule.operator != "keep")


def markdown(activities: list[dict[str, Any]]) -> Iterator[str]:
    """Write the record as Markdown."""
    yield "# Record of processing activities"
    for each in activities:
        yield f"\n## {each['policy']}\n"
        for name, title in COLUMNS.items():
            value = "; ".join(each[name]) if isinstance(each[name], list) else each[name]
            yield f"- {title}: {value or _EMPTY.get(name, 'not given')}"
    yield "\n## To be added by the controller\n"
    yield from (f"- {what}" for what in TO_ADD)
