"""The strings of answers: which are looked at whole, which are pieces of a channel, which are the protocol's."""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from orjson import Fragment, dumps

from redaction.answers import AnswerEngine
from redaction.find import decode_piece
from redaction.media import is_encoded
from redaction.normalise import MAX_DEPTH
from redaction.stream import Channel
from redaction.types import Entity, RedactionFailed
from redaction.windows import AnswerNames, NamedChannel
from redaction.writer import Found, Shared, Writer

Pair = tuple[Any, Any]
PROTOCOL = frozenset(
    {
        "id",
        "object",
        "model",
        "role",
        "type",
        "finish_reason",
        "system_fingerprint",
        "service_tier",
        "tool_call_id",
        "call_id",
        "item_id",
        "response_id",
        "previous_response_id",
        "status",
        "index",
        "created",
        "stop_reason",
        "obfuscation",
        "encrypted_content",
        "truncation",
    }
)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/+=-]{0,255}\Z")
_LETTERS = re.compile(r"[A-Za-z_.:/-]{1,64}\Z")  # the protocol's own vocabulary; words with digits may be somebody's
_PROVIDERS = frozenset({"model", "system_fingerprint", "service_tier", "object"})  # words that no model writes
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z_-]{0,39}\Z")
_MOMENTS = ("created", "_at", "_tokens", "_ms", "index", "seed")
_LEAST_NUMBER = 10**8
_JSON_SOURCE = frozenset({"arguments", "partial_json"})
_DEPTH = 64
_SMALL = frozenset({type(None), bool, int})  # values that say nothing, unless a number is long


def _is_answer(site: str, key: str) -> bool:
    """Say whether a field holds the words of an answer, in chats and in responses."""
    return key == "content" or (key == "text" and ".reasoning" not in site)


class Channels:
    """Makes channels and screens complete values through them."""

    def __init__(
        self, engine: AnswerEngine, shared: Shared, names: AnswerNames | None = None, *, listening: bool = False
    ) -> None:
        self._engine = engine
        self.shared = shared
        self._names = names
        self._listening = listening
        self._told: dict[tuple[bool, bool, str], tuple[str, str]] | None = None

    def open(self, site: str, key: str) -> Channel:
        """Make a channel for pieces of the field `key`."""
        in_json, restores = self._manner(site, key)
        writer = Writer(self.shared, site, restores, in_json)
        channel = Channel(self._engine, self._engine.normaliser, writer, self.inside, in_json)
        if self._names is None or key in _NAMELESS:
            return channel
        return NamedChannel(channel, self._names, self._listening)

    def string(self, value: str, site: str, key: str) -> tuple[str, str]:
        """Screen a complete string."""
        if len(value) < 3:
            return value, value
        if self._told is not None and (told := self._told.get((*self._manner(site, key), value))) is not None:
            return told
        channel = self.open(site, key)
        channel.complete(value)
        clean, reply = channel.writer.take()
        pair = (value if clean == value else clean), (value if reply == value else reply)
        if self._told is not None:
            self._told[*self._manner(site, key), value] = pair
        return pair

    def remember(self, value: str, site: str, key: str, pair: tuple[str, str]) -> None:
        """Give the same text the same way when the answer says it again, without finding everything once more."""
        self.expect_repeats()
        if self._told is not None:
            self._told[*self._manner(site, key), value] = pair

    def expect_repeats(self) -> None:
        """Remember the texts from now on: this answer says everything again when it ends."""
        self._told = self._told if self._told is not None else {}

    def _manner(self, site: str, key: str) -> tuple[bool, bool]:
        """Say whether a field is JSON source, and whether it gets the caller's values back."""
        in_json = key in _JSON_SOURCE or (self.shared.vault.json_mode and _is_answer(site, key))
        return in_json, self.shared.restores(part_of(f"{site}.{key}"))

    def node(self, node: Any, site: str, depth: int) -> Pair:
        """Screen every string of a value; what does not change stays the same object."""
        if depth > _DEPTH:
            raise RedactionFailed("the answer is nested too deeply to be looked at")
        if isinstance(node, dict):
            return self._dict(node, site, depth)
        if isinstance(node, list):
            pairs = [self.field("", item, site, depth) for item in node]
            return _list(node, [clean for clean, _ in pairs]), _list(node, [reply for _, reply in pairs])
        if isinstance(node, str):
            return self.string(node, site, "")
        return node, node

    def field(self, key: str, value: Any, site: str, depth: int) -> Pair:
        """Screen the value of one field."""
        if isinstance(value, str):
            return self._whole(key, value, _site(site, key))
        if isinstance(value, dict | list) and key != "embedding":
            return self.node(value, _site(site, key), depth + 1)
        if type(value) in {int, float} and abs(value) >= _LEAST_NUMBER and not key.endswith(_MOMENTS):
            return self._number(value, _site(site, key))
        if type(value) is Fragment:  # a whole number beyond 64 bits
            return self._digits(dumps(value).decode("ascii"), value, _site(site, key))
        return value, value

    def _whole(self, key: str, value: str, site: str) -> tuple[str, str]:
        if is_word(key, value) and (key in _PROVIDERS or _LETTERS.match(value) or not self._engine.may_hold(value)):
            return value, value
        return self.encoded(value, site) if is_encoded(key, value) else self.string(value, site, key)

    def encoded(self, value: str, site: str) -> tuple[str, str]:
        """Leave base64 as it is, unless it is text in which something is found: then all of it goes."""
        within = self.inside(value)
        if within is None:
            return value, value
        writer = Writer(self.shared, site)
        found = Found(Entity(within.kind, 0, len(value), within.score, f"encoded:{within.recognizer}"), 0, value, value)
        if writer.wants(found):
            writer.entity(found)
        else:
            writer.text(value)
        return writer.take()

    def key(self, key: str, site: str) -> tuple[str, str]:
        """Screen a key of free-form data."""
        return (key, key) if _PLAIN_KEY.match(key) else self.string(key, site, "")

    def _number(self, value: int | float, site: str) -> Pair:
        """Screen a long whole number as its digits."""
        if value != int(value):
            return value, value
        return self._digits(str(int(value)), value, site)

    def _digits(self, text: str, value: int | float | Fragment, site: str) -> Pair:
        clean, reply = self.string(text, site, "")
        return (value if clean == text else clean), (value if reply == text else reply)

    def inside(self, value: str, depth: int = 0) -> Entity | None:
        """Give the best entity inside an encoded piece, if any."""
        text = decode_piece(value)
        if text is None or depth >= MAX_DEPTH:
            return None
        found = self._engine.scanner.entities(self._engine.normaliser.view(text).data)
        rules = ((entity, self.shared.book.rule("answer", entity.kind)) for entity in found)
        wanted = [entity for entity, rule in rules if rule is not None and entity.score >= rule.min_score]
        return max(wanted, key=lambda entity: entity.score, default=None)

    def _dict(self, node: dict[str, Any], site: str, depth: int) -> Pair:
        clean: dict[str, Any] = {}
        reply: dict[str, Any] = {}
        same = same_reply = True  # whether nothing changed so far: this runs on every object of every answer
        if (kind := node.get("type")) is not None and any(word in str(kind) for word in _THINKING):
            site = f"{site}.reasoning"
        for key, value in node.items():
            one = other = value
            name, shown = (key, key) if _PLAIN_KEY.match(key) else self.key(key, site)
            if key == "logprobs":
                one = other = None
            elif value.__class__ not in _SMALL or (value.__class__ is int and abs(value) >= _LEAST_NUMBER):
                one, other = self.field(key, value, site, depth)
            clean[name], reply[shown] = one, other
            same = same and one is value and name is key
            same_reply = same_reply and other is value and shown is key
        if node.get("logprobs") is None:
            return (node if same else clean), (node if same_reply else reply)
        self._logprobs(node, clean, reply)
        return _dict(node, clean), _dict(node, reply)

    def _logprobs(self, node: dict[str, Any], clean: dict[str, Any], reply: dict[str, Any]) -> None:
        """Keep the log probabilities of a choice whose text did not change; of others they would show it."""
        kept = all(part.get(key) is node.get(key) for part in (clean, reply) for key in ("message", "text", "delta"))
        if kept:
            clean["logprobs"] = reply["logprobs"] = node["logprobs"]


def is_word(key: str, value: str) -> bool:
    """Say whether a string is a word of the protocol: it is no piece of a longer text."""
    return key in PROTOCOL and _WORD.match(value) is not None


@lru_cache(maxsize=256)
def part_of(site: str) -> str:
    """Give the part of an answer, as `restore_at` names it, in which a site lies."""
    words = set(site.split("."))
    return next((part for part, names in _PARTS.items() if words & names), "other")


def _site(site: str, key: str) -> str:
    return f"{site}.{key}" if key in NAMED else site


_PARTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "reasoning": frozenset({"reasoning", "reasoning_content", "reasoning_details", "thinking", "summary"}),
        "tool_arguments": frozenset({"arguments", "partial_json", "input", "parameters"}),
        "text": frozenset({"content", "text", "refusal", "transcript"}),
    }
)
_THINKING = ("reasoning", "thinking", "summary_text")  # in the types of parts and events
# Fields whose names stand in the sites of findings.
NAMED = frozenset({"name", "annotations", "output", *(name for names in _PARTS.values() for name in names)})
_NAMELESS = frozenset({"name"})  # a function's name is nobody's


def _dict(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    for key, value in new.items():  # plain loops: this runs on every object of every answer
        if old.get(key, new) is not value:
            return new
    return old if len(old) == len(new) else new


def _list(old: list[Any], new: list[Any]) -> list[Any]:
    for place, value in enumerate(new):
        if old[place] is not value:
            return new
    return old
