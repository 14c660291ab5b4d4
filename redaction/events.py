"""Screen the events of a stream: pieces of text go through their channels, everything else is looked at whole."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from redaction.channels import NAMED, PROTOCOL, Channels, is_word
from redaction.envelope import Envelope
from redaction.logprobs import Logprobs, legacy_entries, legacy_lists
from redaction.media import is_encoded
from redaction.stream import Channel
from redaction.types import ScreenedBody

Path = tuple[str | int, ...]
Pair = tuple[Any, Any]
_ENVELOPE = frozenset({*PROTOCOL, "choices", "usage"})
_CHOICE = frozenset({"index", "delta", "finish_reason", "logprobs"})
_WHOLE = frozenset({"name"})
_SOUND = re.compile(r"[A-Za-z0-9+/]*={0,2}\Z")
_ENDS = (".done", "_stop", ".completed", ".failed", ".incomplete")
_IDS = ("item_id", "output_index", "content_index", "summary_index", "index")


class EventScreen:
    """Keeps one channel for each field of each choice, tool call or output item."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._envelope = Envelope(channels)
        self._open: dict[Path, Channel] = {}
        self._logprobs: dict[Path, Logprobs] = {}
        self._templates: dict[Path, dict[str, Any]] = {}
        self._told: dict[Path, tuple[list[str], list[str], list[str]]] = {}  # source, clean, reply of an item's text
        self.more = False  # whether the next event is here already
        self._withheld = False  # whether this event's text is all held back
        self._tells = False  # whether this event says something else

    def take(self, event: dict[str, Any]) -> Iterable[ScreenedBody]:
        """Take one event and give those that may be sent."""
        choice = _only_text(event)
        return self._any(event) if choice is None or not self._envelope.is_plain(event) else self._text(event, choice)

    def _any(self, event: dict[str, Any]) -> Iterator[ScreenedBody]:
        self._withheld = self._tells = False
        if isinstance(event.get("choices"), list):
            yield from self._choices(event)
        elif str(event.get("type")).endswith("audio.delta") and _SOUND.match(str(event.get("delta"))):
            clean, reply = self._channels.encoded(event["delta"], "answer")
            yield ScreenedBody({**event, "delta": clean}, {**event, "delta": reply})
        elif "delta" in event and isinstance(event["delta"], str | dict):
            yield from self._item(event)
        else:
            if "response" in event:
                self._channels.expect_repeats()
            yield from self._item_ends(event)
            yield ScreenedBody(*self._channels.node(event, "answer", 0))

    def close(self) -> Iterator[ScreenedBody]:
        """Give what is still held."""
        for root in list(self._templates):
            yield from self._flush(root)

    def _text(self, event: dict[str, Any], choice: dict[str, Any]) -> tuple[ScreenedBody, ...]:
        """Screen the usual event: one piece of text, and nothing else."""
        root = ("choices", choice["index"])
        clean, reply = self._piece(choice["delta"]["content"], root, "content")
        if not clean and not reply:
            self._templates[root] = event
            return ()
        screened = {**event, "choices": [{**choice, "delta": {"content": clean}}]}
        self._templates[root] = screened
        if clean == reply:
            return (ScreenedBody(screened, screened),)
        return (ScreenedBody(screened, {**event, "choices": [{**choice, "delta": {"content": reply}}]}),)

    def _choices(self, event: dict[str, Any]) -> Iterator[ScreenedBody]:
        clean: list[Any] = []
        reply: list[Any] = []
        for choice in event["choices"]:
            root = ("choices", int(choice.get("index") or 0))
            self._templates[root] = event
            one, other = self._choice(choice, root)
            if choice.get("finish_reason") is not None:
                self._tells = True
                yield from self._flush(root)
            clean.append(one)
            reply.append(other)
        if self._withheld and not self._tells and not event.get("usage") and not event.keys() - _ENVELOPE:
            return
        around, around_reply = self._envelope.screen(event)
        same = all(a is b for a, b in zip(clean, reply, strict=True)) and around is around_reply
        screened = {**around, "choices": clean}
        yield ScreenedBody(screened, screened if same else {**around_reply, "choices": reply})

    def _choice(self, choice: dict[str, Any], root: Path) -> Pair:
        clean, reply = dict(choice), dict(choice)
        for key, value in choice.items():
            if key == "delta" and isinstance(value, dict):
                clean[key], reply[key] = self._pieces(value, root)
            elif key == "text" and isinstance(value, str):
                clean[key], reply[key] = self._piece(value, root, key)
            elif key != "logprobs":
                clean[key], reply[key] = self._channels.field(key, value, _site(root, ""), 2)
        if choice.get("logprobs") is not None:
            clean["logprobs"] = reply["logprobs"] = self._logprobs_of(choice, root)
        return (clean, clean) if clean == reply else (clean, reply)

    def _pieces(self, node: dict[str, Any], path: Path) -> Pair:
        """Screen the pieces in a delta."""
        clean: dict[str, Any] = {}
        reply: dict[str, Any] = {}
        for key, value in node.items():
            name, shown = self._channels.key(key, "answer")
            if isinstance(value, str):
                clean[name], reply[shown] = self._string(value, path, name)
            elif isinstance(value, dict):
                clean[name], reply[shown] = self._pieces(value, (*path, name))
            elif isinstance(value, list):
                pairs = [self._element(item, place, (*path, name)) for place, item in enumerate(value)]
                clean[name], reply[shown] = [one for one, _ in pairs], [other for _, other in pairs]
            else:
                self._tells = self._tells or (value is not None and key != "index")
                clean[name], reply[shown] = self._channels.field(key, value, _site(path, key), 3)
        return clean, reply

    def _element(self, item: Any, place: int, path: Path) -> Pair:
        if isinstance(item, dict):
            return self._pieces(item, (*path, int(item.get("index", place) or 0)))
        if isinstance(item, str):
            return self._piece(item, (*path, place), "")
        return self._channels.field("", item, _site(path, ""), 3)

    def _string(self, value: str, path: Path, key: str) -> Pair:
        if key == "data" and "audio" in path and _SOUND.match(value):
            self._tells = True
            return self._channels.encoded(value, _site(path, key))
        if is_word(key, value) or is_encoded(key, value) or key in _WHOLE:
            self._tells = self._tells or bool(value)
            return self._channels.field(key, value, _site(path, key), 3)
        return self._piece(value, path, key)

    def _piece(self, value: str, path: Path, key: str) -> tuple[str, str]:
        channel = self._open.get((*path, key))
        if channel is None:
            channel = self._open[(*path, key)] = self._channels.open(_site(path, key), key)
        if not value:
            return value, value
        channel.feed(value, self.more)
        clean, reply = channel.writer.take()
        self._withheld = self._withheld or not clean
        self._tells = self._tells or bool(clean)
        return clean, reply

    def _logprobs_of(self, choice: dict[str, Any], root: Path) -> dict[str, Any] | None:
        """Give the log probabilities of the text that may go now, without those of text that was changed."""
        out: dict[str, Any] = {}
        if isinstance(choice["logprobs"].get("tokens"), list):
            return self._legacy_logprobs(choice, root)
        for key, entries in choice["logprobs"].items():
            path = (*root, "delta", key)
            channel = self._open.get((*root, key))
            if not isinstance(entries, list) or channel is None:
                continue
            text = (choice.get("delta") or {}).get(key)
            kept = self._logprobs.setdefault(path, Logprobs()).take(entries, text, channel)
            out[key] = kept
        return out or None

    def _legacy_logprobs(self, choice: dict[str, Any], root: Path) -> dict[str, Any] | None:
        channel = self._open.get((*root, "text"))
        if channel is None:
            return None
        kept = self._logprobs.setdefault((*root, "text"), Logprobs())
        return legacy_lists(kept.take(legacy_entries(choice["logprobs"]), choice.get("text"), channel))

    def _item(self, event: dict[str, Any]) -> Iterator[ScreenedBody]:
        """Screen a delta of an output item."""
        root = _root(event)
        self._templates[root] = event
        key = _key(event)
        delta = event["delta"]
        clean, reply = self._piece(delta, root, key) if isinstance(delta, str) else self._pieces(delta, root)
        if isinstance(delta, str):
            self._tell((*root, key), delta, clean, reply)
        if not self._withheld or self._tells:
            pair = self._envelope.screen(event)
            gone: dict[str, Any] = {"logprobs": []} if event.get("logprobs") and not clean == reply == delta else {}
            yield ScreenedBody({**pair[0], **gone, "delta": clean}, {**pair[1], **gone, "delta": reply})

    def _tell(self, path: Path, source: str, clean: str, reply: str) -> None:
        """Gather an item's text: events that end it will say it again."""
        for parts, piece in zip(self._told.setdefault(path, ([], [], [])), (source, clean, reply), strict=True):
            parts.append(piece)

    def _item_ends(self, event: dict[str, Any]) -> Iterator[ScreenedBody]:
        """Flush the items that an event ends: its own, or with the end of the answer all of them."""
        kind = str(event.get("type", ""))
        if not kind.endswith(_ENDS):
            return
        ids = [(name, event[name]) for name in _IDS if name in event]
        # Without ids it ends its own kind of text only, and others go on: sound and its transcript come in turns.
        only = kind.removesuffix(".done") + ".delta" if kind.endswith(".done") and not ids else None
        for root in [root for root in self._templates if root[0] == "items" and only in (None, root[1])]:
            if all(self._templates[root].get(name) == value for name, value in ids):
                yield from self._flush(root)

    def _flush(self, root: Path) -> Iterator[ScreenedBody]:
        """Close the channels below a root and give their last text as an event of its own."""
        template = self._templates.pop(root)
        clean: dict[str, Any] = {}
        reply: dict[str, Any] = {}
        for path in [path for path in self._open if path[: len(root)] == root]:
            channel = self._open.pop(path)
            channel.close()
            text, value = channel.writer.take()
            if path in self._told:
                self._tell(path, "", text, value)
                source, *pair = ("".join(parts) for parts in self._told.pop(path))
                key = str(path[-1])
                self._channels.remember(source, _site(path, key), key, (pair[0], pair[1]))
            if text or value:
                _place(clean, path[len(root) :], text)
                _place(reply, path[len(root) :], value)
        if clean:
            around = self._envelope.screen(template)
            words = self._channels.node(_words(template.get("delta")), "answer", 0)
            shown = ({**words[side], **fields} for side, fields in enumerate((clean, reply)))
            yield ScreenedBody(*(_event(one, root, fields) for one, fields in zip(around, shown, strict=True)))


def _only_text(event: dict[str, Any]) -> dict[str, Any] | None:
    """Give the only choice of an event that is a piece of text and nothing else."""
    choices = event.get("choices")
    if type(choices) is not list or len(choices) != 1 or event.get("usage") or not _ENVELOPE.issuperset(event):
        return None
    choice: dict[str, Any] = choices[0]
    delta = choice.get("delta")
    plain = type(delta) is dict and len(delta) == 1 and type(text := delta.get("content")) is str and text
    if not plain or not _CHOICE.issuperset(choice) or type(choice.get("index")) is not int:
        return None
    return None if choice.get("finish_reason") is not None or choice.get("logprobs") is not None else choice


def _root(event: dict[str, Any]) -> Path:
    return ("items", str(event.get("type")), *(str(event.get(name)) for name in _IDS))


def _key(event: dict[str, Any]) -> str:
    """Give the name of the field whose pieces a delta of an output item brings."""
    return next((key for word, key in _KEYS if word in str(event.get("type"))), "text")


_KEYS = (("arguments", "arguments"), ("tool_call_input", "input"), ("reasoning", "reasoning"))


def _event(template: dict[str, Any], root: Path, fields: dict[str, Any]) -> dict[str, Any]:
    """Make an event that carries only the last pieces of text."""
    if root[0] == "items":
        delta = template["delta"]
        return {**template, "delta": fields[_key(template)] if isinstance(delta, str) else fields}
    text = {key: value for key, value in fields.items() if key == "text"}
    choice = {"index": root[1], **text} if text else {"index": root[1], "delta": fields}
    return {
        **{key: value for key, value in template.items() if key != "usage"},
        "choices": [{**choice, "finish_reason": None}],
    }


def _words(delta: Any) -> dict[str, Any]:
    return {key: value for key, value in delta.items() if key in PROTOCOL} if isinstance(delta, dict) else {}


def _place(node: dict[str, Any], path: Path, text: str) -> None:
    """Put a text at a path; a number in the path is the index of a list's element."""
    for place, step in enumerate(path[:-1]):
        below = path[place + 1]
        if isinstance(below, int):
            continue
        if isinstance(step, int):
            elements = node.setdefault(str(path[place - 1]), [])
            known = [one for one in elements if one["index"] == step]
            node = known[0] if known else _append(elements, step)
        else:
            node = node.setdefault(step, {})
    node[str(path[-1])] = text


def _append(elements: list[dict[str, Any]], index: int) -> dict[str, Any]:
    elements.append({"index": index})
    return elements[-1]


def _site(path: Path, key: str) -> str:
    index = path[1] if path[0] == "choices" else 0
    steps = dict.fromkeys((*(step for step in path[2:] if step in NAMED), key))
    return ".".join((f"answer:{index}", *(str(step) for step in steps if step in NAMED)))
