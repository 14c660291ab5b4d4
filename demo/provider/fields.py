"""Fills a JSON schema from a text: each field by extraction or classification, always valid."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demo.provider import extract
from demo.provider.classifier import softmax
from demo.provider.drafting import letter, summary
from demo.provider.labels import LabelModel
from demo.provider.language import LanguageModel
from demo.provider.numbers import Range
from demo.provider.reading import Reading
from demo.provider.schema import Document, Schema, invalid, types_of
from demo.provider.words import name_words, words, wordset
from demo.provider.writer import Writer

_DEEP = 8
_HEAT = 0.5
_NUMBER_HEAT = 0.3
_SUPPORTED_NUMBER = 0.8
_LETTERS = wordset("reply draft response letter answer")
_TELLING = wordset("summary overview gist")
_SELF = wordset("confidence certainty")
_GRADES = wordset("score rating rank probability likelihood urgency severity satisfaction fit percent")


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a model knows when it fills a form."""

    labels: LabelModel
    language: LanguageModel
    reading: Reading
    today: dt.date

    @property
    def text(self) -> str:
        return self.reading.text or self.reading.context or self.reading.instructions


@dataclass(frozen=True, slots=True)
class Form:
    """Writes the values of one document."""

    writer: Writer
    document: Document
    knowledge: Knowledge

    def fill(self) -> None:
        """Write the whole document."""
        self._value(self.document.root, "", 0)

    def _value(self, node: Schema, name: str, depth: int) -> None:
        node = self.document.resolve(node)
        if "const" in node:
            self.writer.say(_json(node["const"]))
        elif "enum" in node:
            self._enum(node, name)
        elif "anyOf" in node:
            self._any_of(node, name, depth)
        else:
            self._typed(node, name, depth)

    def _enum(self, node: Schema, name: str) -> None:
        values = node["enum"]
        named = {str(value): value for value in values}
        shares = self.knowledge.labels.distribution(list(named), self.knowledge.text, _hint(node, name))
        if all(isinstance(value, str) for value in values):
            self.writer.choose_string(shares)
        else:
            self.writer.choose({_json(named[label]): share for label, share in shares.items()})

    def _any_of(self, node: Schema, name: str, depth: int) -> None:
        rest = {key: value for key, value in node.items() if key not in {"anyOf", "type"}}
        branches = [self.document.resolve({**rest, **branch}) for branch in node["anyOf"]]
        solid = [branch for branch in branches if types_of(branch) != ("null",)]
        shallow = [branch for branch in solid if types_of(branch)[0] != "object"] if depth > _DEEP else solid
        if not shallow:
            self.writer.say("null")
        elif len(solid) < len(branches):
            self._nullable(shallow[0], name, depth)
        else:
            self._value(shallow[0], name, depth)

    def _typed(self, node: Schema, name: str, depth: int) -> None:
        kinds = types_of(node)
        solid = [kind for kind in kinds if kind != "null"]
        if not solid or (depth > _DEEP and "null" in kinds):
            self.writer.say("null")
        elif "null" in kinds:
            self._nullable({**node, "type": solid[0], "nullable": False}, name, depth)
        else:
            self._solid({**node, "type": solid[0]}, name, depth)

    def _nullable(self, node: Schema, name: str, depth: int) -> None:
        share = 0.04 if self._supported(node, name) else 0.92
        self.writer.unless("null", share, lambda: self._value(node, name, depth))

    def _solid(self, node: Schema, name: str, depth: int) -> None:
        kind = node["type"]
        if kind == "object":
            self._object(node, depth)
        elif kind == "array":
            self._array(node, name, depth)
        elif kind == "boolean":
            self._boolean(node, name)
        elif kind == "string":
            self._string(node, name)
        else:
            self._number(node, name, whole=kind == "integer")

    def _object(self, node: Schema, depth: int) -> None:
        if depth > 2 * _DEEP:
            raise invalid("properties", "the schema requires objects without end")
        required = list(node.get("required", ()))
        known: dict[str, Schema] = {**{key: {"type": "string"} for key in required}, **node.get("properties", {})}
        ordered = [*node.get("properties", {}), *(name for name in required if name not in node.get("properties", {}))]
        written = [name for name in ordered if name in required or self._wanted(known[name], name, depth)]
        self.writer.say("{")
        for at, name in enumerate(written):
            self.writer.say(("," if at else "") + _json(name) + ":")
            self._value(known[name], name, depth + 1)
        self.writer.say("}")

    def _wanted(self, node: Schema, name: str, depth: int) -> bool:
        return depth <= _DEEP and self._supported(self.document.resolve(node), name)

    def _supported(self, node: Schema, name: str) -> bool:
        kind = "enum" if "enum" in node else types_of(node)[0]
        if kind == "string":
            found = extract.strings(name, str(node.get("description", "")), self.knowledge.text)
            return bool(found) and (found[0].named or bool(set(words(name_words(name))) & (_LETTERS | _TELLING)))
        if kind in {"number", "integer"}:
            scores = [score for _, score in self._numbers(node, name)]
            return max(scores, default=0.0) >= _SUPPORTED_NUMBER
        return True

    def _array(self, node: Schema, name: str, depth: int) -> None:
        items: Schema = self.document.resolve(node.get("items") or {"type": "string"})
        least, most = int(node.get("minItems", 0)), int(node.get("maxItems", 1_000))
        self.writer.say("[")
        if "enum" in items or (types_of(items)[0] == "string" and not {"anyOf", "const", "format"} & set(items)):
            self._strings(items, name, (least, most))
        else:
            wanted = 0 if depth > _DEEP or most == 0 else 1
            for at in range(max(least, wanted)):
                self.writer.say("," if at else "")
                self._value(items, name, depth + 1)
        self.writer.say("]")

    def _strings(self, items: Schema, name: str, bounds: tuple[int, int]) -> None:
        options = self._item_options(items, name)
        least, most = bounds
        for at in range(min(most, max(least, min(2, len(options))))):
            self.writer.say("," if at else "")
            if not options:
                self._value({**items, "description": ""}, f"{name} {at}", 1)
                continue
            chosen = self.writer.choose(options)
            options = {text: share for text, share in options.items() if text != chosen}

    def _item_options(self, items: Schema, name: str) -> dict[str, float]:
        if "enum" in items:
            named = {str(value): _json(value) for value in items["enum"]}
            shares = self.knowledge.labels.distribution(list(named), self.knowledge.text, _hint(items, name))
            return {named[label]: share for label, share in shares.items() if share > 0.5 / len(named)}
        return {_json(text): share for text, share in self._string_options(items, name).items()}

    def _boolean(self, node: Schema, name: str) -> None:
        share = self.knowledge.labels.class_probability(name, self.knowledge.text)
        if share is None:
            share = extract.mentions(f"{name} {node.get('description', '')}", self.knowledge.text)
        self.writer.choose({"true": share, "false": 1 - share})

    def _number(self, node: Schema, name: str, *, whole: bool) -> None:
        bounds = Range.of(node, whole=whole)
        named = set(words(name_words(name)))
        if named & _SELF:
            self._graded(bounds, self.writer.weakest)
        elif named & _GRADES and not any(score > 1.5 for _, score in self._numbers(node, name)):
            self._graded(bounds, self.knowledge.labels.score(self.knowledge.text, _hint(node, name)))
        elif found := self._numbers(node, name):
            self.writer.choose(softmax({bounds.render(value): score / _NUMBER_HEAT for value, score in found}))
        else:
            self.writer.say(bounds.render(0.0 if bounds.holds(0.0) else bounds.at(0.0)))

    def _graded(self, bounds: Range, share: float) -> None:
        near = {0.0: 0.6, -0.08: 0.2, 0.08: 0.2}
        options: dict[str, float] = {}
        for shift, weight in near.items():
            shown = bounds.render(bounds.at(min(max(round(share + shift, 2), 0.0), 1.0)))
            options[shown] = options.get(shown, 0.0) + weight
        self.writer.choose(options)

    def _numbers(self, node: Schema, name: str) -> list[tuple[float, float]]:
        bounds = Range.of(node, whole="integer" in types_of(node))
        found = extract.numbers(name, str(node.get("description", "")), self.knowledge.text)
        return [(value, score) for value, score in found if bounds.holds(value)]

    def _string(self, node: Schema, name: str) -> None:
        named = set(words(name_words(name)))
        if "format" in node:
            self.writer.choose_string(self._formatted(str(node["format"])))
        elif named & (_LETTERS | _TELLING) and not {"minLength", "maxLength"} & set(node):
            with self.writer.quoted():
                self._prose(drafted=bool(named & _LETTERS))
        else:
            self.writer.choose_string(self._string_options(node, name))

    def _prose(self, *, drafted: bool) -> None:
        if drafted:
            letter(self.writer, self.knowledge.language, self.knowledge.reading)
        else:
            summary(self.writer, self.knowledge.text, most=2)

    def _string_options(self, node: Schema, name: str) -> dict[str, float]:
        found = extract.strings(name, str(node.get("description", "")), self.knowledge.text)
        scores: dict[str, float] = {}
        for candidate in found:
            scores.setdefault(_fit(candidate.value, node), candidate.score / _HEAT)
        return softmax(scores or {_fit("unknown", node): 0.0})

    def _formatted(self, kind: str) -> dict[str, float]:
        text, today = self.knowledge.text, self.knowledge.today.isoformat()
        days = extract.dates(text) or [today]
        found: Mapping[str, Sequence[str]] = {
            "date": days,
            "date-time": [f"{day}T09:00:00Z" for day in days],
            "email": extract.emails(text) or ["unknown@example.com"],
        }
        return {value: 0.6**at for at, value in enumerate(found.get(kind) or [_FALLBACKS.get(kind, "unknown")])}


_FALLBACKS: Mapping[str, str] = {
    "time": "09:00:00Z",
    "duration": "P1D",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/",
}


def _fit(text: str, node: Schema) -> str:
    least, most = int(node.get("minLength", 0)), node.get("maxLength")
    text = text + "." * (least - len(text))
    return text if most is None else text[: int(most)]


def _hint(node: Schema, name: str) -> str:
    return f"{name} {node.get('description', '')}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
