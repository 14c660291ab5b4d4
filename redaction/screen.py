"""The screen of one answer: redacts what the model wrote and restores the caller's own values."""

from typing import Any

from redaction.types import Finding, RedactionFailed, ScreenedBody, Vault


class Screen:
    """Screens one answer, whole or event by event; does no I/O."""

    def __init__(self, vault: Vault, endpoint: str) -> None:
        self._vault = vault
        self._endpoint = endpoint
        self.findings: list[Finding] = []
        self.restored = 0
        self.unknown = 0

    def whole(self, body: dict[str, Any]) -> ScreenedBody:
        """Screen an unstreamed answer."""
        raise RedactionFailed("redaction is not built yet")

    def chunk(self, event: dict[str, Any]) -> tuple[ScreenedBody, ...]:
        """Take one event of a stream; give the events that may now be sent."""
        raise RedactionFailed("redaction is not built yet")

    def close(self) -> tuple[ScreenedBody, ...]:
        """Give what was still held when the stream ended."""
        raise RedactionFailed("redaction is not built yet")
