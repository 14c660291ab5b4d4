"""What is written in place of a found value."""

from redaction.placeholders import Minter
from redaction.rules import Rule


def substitute(rule: Rule, kind: str, value: str, minter: Minter) -> str:
    """Give the text that `replace`, `mask` or `hash` writes."""
    if rule.operator == "mask":
        kept = value[len(value) - rule.keep_last :] if rule.keep_last < len(value) else ""
        return "*" * (len(value) - len(kept)) + kept
    if rule.operator == "hash":
        return f"<{kind}:{minter.digest(kind, value)[:16]}>"
    return f"<{kind}>" if rule.text is None else rule.text
