"""The redactor: rewrites requests before they leave and screens answers before they are shown."""

from typing import Any

from policy.blocks_redaction import Redaction
from redaction.detect import Detector
from redaction.screen import Screen
from redaction.types import Clean, Cleared, RedactionFailed, Vault


class Redactor:
    """Compiled once per redaction block and tenant key; immutable and shared by calls."""

    def __init__(self, rules: Redaction, tenant_key: bytes, detector: Detector | None = None) -> None:
        self._rules = rules
        self._key = tenant_key
        self._detector = detector

    async def clear(self, body: dict[str, Any], endpoint: str) -> Cleared:
        """Rewrite every string of a request as the policy says.

        Raises Blocked when a rule refuses a value, RedactionFailed when something cannot be looked at.
        """
        raise RedactionFailed("redaction is not built yet")

    def screen(self, vault: Vault, endpoint: str) -> Screen:
        """Give the screen for the answer to the request that filled `vault`; one per call."""
        return Screen(vault, endpoint)

    def clear_label(self, text: str) -> Clean:
        """Rewrite a label, model name or run id."""
        raise RedactionFailed("redaction is not built yet")
