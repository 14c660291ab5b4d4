"""Log probabilities in streams: they leave together with the text they belong to, and not when it was changed."""

from typing import Any

from redaction.stream import Channel

_LEGACY = ("token_logprobs", "top_logprobs", "text_offset")


def legacy_entries(logprobs: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the entries of legacy completions, which come as parallel lists, one by one."""
    others = {name: values for name in _LEGACY if isinstance(values := logprobs.get(name), list)}
    return [
        {"token": token} | {name: values[at] for name, values in others.items() if at < len(values)}
        for at, token in enumerate(logprobs["tokens"])
    ]


def legacy_lists(entries: list[Any]) -> dict[str, Any] | None:
    """Give entries as parallel lists again; nothing where none is left."""
    if not entries:
        return None
    names = {name for entry in entries for name in entry if name != "token"}
    lists = {name: [entry.get(name) for entry in entries] for name in _LEGACY if name in names}
    return {"tokens": [entry["token"] for entry in entries], **lists}


class Logprobs:
    """Holds the entries of one channel until its text is decided."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, Any]] = []
        self._seen = 0
        self._broken = False  # entries and text do not tell the same; nothing is passed any more

    def take(self, entries: list[Any], text: object, channel: Channel) -> list[Any]:
        """Take an event's entries and give those of text that has left unchanged."""
        if not isinstance(text, str) or "".join(str(entry.get("token", "")) for entry in entries) != text:
            self._broken = self._broken or bool(entries)
        for entry in entries:
            size = len(str(entry.get("token", "")))
            self._waiting.append((self._seen, self._seen + size, entry))
            self._seen += size
        if self._broken:
            return []
        ready = [waiting for waiting in self._waiting if waiting[1] <= channel.source_at]
        self._waiting = self._waiting[len(ready) :]
        return [
            entry
            for start, end, entry in ready
            if not any(start < stop and begin < end for begin, stop in channel.changed)
        ]
