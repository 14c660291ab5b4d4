"""The two simulated models: what each has learnt, and how a request becomes an answer."""

import datetime as dt
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from demo.provider import reading, schema, tools
from demo.provider.classifier import train
from demo.provider.corpus import Corpus, thinned
from demo.provider.drafting import prose
from demo.provider.fields import Form, Knowledge
from demo.provider.labels import LabelModel
from demo.provider.language import LanguageModel, successors
from demo.provider.latency import Latency
from demo.provider.request import ChatRequest
from demo.provider.tools import Tool
from demo.provider.words import words
from demo.provider.writer import Piece, Writer

Finish = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One choice: its tokens, or its tool calls."""

    pieces: tuple[Piece, ...]
    calls: tuple[ToolCall, ...]
    finish: Finish

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    def tokens(self) -> int:
        """Count the tokens of the answer."""
        return len(self.pieces) + sum(len(call.arguments) + 3 for call in self.calls)


@dataclass(frozen=True, slots=True)
class Model:
    """A simulated model; `doubt` blurs its choice of tools, `slip_rate` lets a word go wrong in its prose."""

    name: str
    labels: LabelModel = field(repr=False)
    language: LanguageModel = field(repr=False)
    slip_rate: float
    doubt: float
    latency: Latency
    context_tokens: int

    def answer(self, request: ChatRequest, seed: str, today: dt.date) -> list[Answer]:
        """Answer a request with `n` choices; the same seed gives the same answer."""
        understood = reading.read(request.messages)
        knowledge = Knowledge(self.labels, self.language, understood, today)
        return [self._choice(request, knowledge, random.Random(f"{seed}:{at}")) for at in range(request.n)]

    def _choice(self, request: ChatRequest, knowledge: Knowledge, rng: random.Random) -> Answer:
        if called := self._called(request, knowledge.text, rng):
            return Answer((), tuple(self._call(tool, request, knowledge, rng) for tool in called), "tool_calls")
        writer = self._writer(request, rng)
        self._write(writer, request, knowledge)
        return _cut(tuple(writer.pieces), request)

    def _write(self, writer: Writer, request: ChatRequest, knowledge: Knowledge) -> None:
        kind = request.format.get("type")
        if kind == "json_schema":
            Form(writer, schema.load(request.format.get("json_schema", {}).get("schema", {})), knowledge).fill()
        elif kind == "json_object":
            Form(writer, schema.load(_guessed_schema(knowledge.reading)), knowledge).fill()
        elif knowledge.reading.labels:
            hint = " ".join(words(knowledge.reading.instructions))
            writer.choose(self.labels.distribution(knowledge.reading.labels, knowledge.text, hint))
        else:
            prose(writer, self.language, knowledge.reading)

    def _writer(self, request: ChatRequest, rng: random.Random) -> Writer:
        return Writer(rng, request.sampling, self.language.following, self.slip_rate)

    def _called(self, request: ChatRequest, text: str, rng: random.Random) -> Sequence[Tool]:
        if not request.tools or request.tool_choice == "none":
            return ()
        if request.tool_choice.startswith("="):
            return [tool for tool in request.tools if tool.name == request.tool_choice[1:]]
        if request.tool_choice == "auto" and request.messages[-1].get("role") == "tool":
            return ()
        deviation = self.doubt if request.sampling.temperature else 0.0
        found = tools.choose(request.tools, text, self.labels, (rng, deviation))
        if not found and request.tool_choice == "required":
            scores = tools.scores(request.tools, text, self.labels)
            found = [request.tools[scores.index(max(scores))]]
        return found if request.parallel_tool_calls else found[:1]

    def _call(self, tool: Tool, request: ChatRequest, knowledge: Knowledge, rng: random.Random) -> ToolCall:
        writer = self._writer(request, rng)
        Form(writer, schema.load({"type": "object", **tool.parameters}), knowledge).fill()
        return ToolCall(f"call_{rng.getrandbits(96):024x}", tool.name, tuple(writer.pieces))


def build(corpus: Corpus) -> Mapping[str, Model]:
    """Train the models: the large one on all texts, the small one on a third of them and with less care."""
    large = _learnt(corpus)
    small = _learnt(thinned(corpus, 3))
    return {
        "simulated-small": Model("simulated-small", *small, 0.006, 0.08, Latency(0.18, 0.006), 16_000),
        "simulated-large": Model("simulated-large", *large, 0.001, 0.02, Latency(0.45, 0.014), 128_000),
    }


def _learnt(corpus: Corpus) -> tuple[LabelModel, LanguageModel]:
    classifiers = {task: train(task, examples, corpus.lexicon) for task, examples in corpus.examples.items()}
    texts = [example.text for examples in corpus.examples.values() for example in examples]
    language = LanguageModel(corpus.replies, classifiers["category"], successors(texts))
    return LabelModel(classifiers, corpus.aliases), language


def _guessed_schema(understood: reading.Reading) -> schema.Schema:
    names = reading.quoted_names(understood.instructions) or ("answer",)
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}


def _cut(pieces: tuple[Piece, ...], request: ChatRequest) -> Answer:
    kept = _before_stop(pieces, request.stop)
    if request.max_tokens is not None and len(kept) > request.max_tokens:
        return Answer(kept[: request.max_tokens], (), "length")
    return Answer(kept, (), "stop")


def _before_stop(pieces: tuple[Piece, ...], stops: Sequence[str]) -> tuple[Piece, ...]:
    text = "".join(piece.text for piece in pieces)
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    return tuple(_clipped(pieces, min(ends))) if ends else pieces


def _clipped(pieces: Sequence[Piece], chars: int) -> Sequence[Piece]:
    kept: list[Piece] = []
    for piece in pieces:
        if chars <= 0:
            break
        kept.append(Piece(piece.text[:chars], piece.logprob, piece.top))
        chars -= len(piece.text)
    return kept
