"""The fields around the text of a stream's events, most of which say the same in every event."""

from typing import Any

from redaction.channels import Channels, Pair

_TEXT = frozenset({"choices", "delta", "logprobs"})  # looked at elsewhere
_KEPT = 64


class Envelope:
    """Screens the fields around the text: each value once, until the field says something else."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._last: dict[str, Any] | None = None
        self._plain: dict[str, Any] = {}  # the last value of a field, when nothing was found in it
        self._changed: dict[str, tuple[Any, Pair]] = {}  # the last value in which something was, and what stands for it

    def is_plain(self, event: dict[str, Any]) -> bool:
        """Say whether all fields are those of the last event, in which nothing was found."""
        return {**event, "choices": None} == self._last  # runs for every word of a stream

    def screen(self, event: dict[str, Any]) -> Pair:
        """Screen the fields of an event; its text stays as it is."""
        pairs = {key: self._field(key, value) for key, value in event.items() if key not in _TEXT}
        if all(one is event[key] and other is event[key] for key, (one, other) in pairs.items()):
            self._last = {**event, "choices": None}
            return event, event
        clean, reply = ({key: pair[side] for key, pair in pairs.items()} for side in (0, 1))
        return {**event, **clean}, {**event, **reply}

    def _field(self, key: str, value: Any) -> Pair:
        if key in self._plain and self._plain[key] == value:
            return value, value
        if key in self._changed and self._changed[key][0] == value:
            return self._changed[key][1]
        pair = self._channels.field(key, value, "answer", 1)
        known, other = (self._plain, self._changed) if pair[0] is value is pair[1] else (self._changed, self._plain)
        other.pop(key, None)
        if key in known or len(known) < _KEPT:
            known[key] = value if known is self._plain else (value, pair)
        return pair
