"""Stage score: how sure an answer is, by the scorers of its policy."""

import asyncio
from dataclasses import dataclass
from math import prod
from typing import Final

from gateway.call import ClearAnswer, Scored
from gateway.scorers.asked import agreement, verdict, verifier_text
from gateway.scorers.base import Asked, Seen, Signal, Told, parsed
from gateway.scorers.grounding import grounding
from gateway.scorers.logprob import logprob
from gateway.scorers.shape import expression, schema
from gateway.stages.models import Models
from gateway.wire import said
from gateway.wire.endpoint import Json
from gateway.wire.tools import ToolCall, called
from policy import blocks_output as blocks
from policy.blocks_output import Confidence

_CHOICES: Final = "choices"
MAX_GROUNDED_CHARS: Final = 300_000  # a quarter of a second of CPU time; more has no score


@dataclass(frozen=True, slots=True)
class Scoring:
    """What the scorers of one answer work with; `models` goes through the stage `invoke` again."""

    answer: ClearAnswer
    asked: Asked
    models: Models


async def score(answer: ClearAnswer, models: Models, notes: Json) -> Scored:
    """Score an answer; of several choices the least sure one counts."""
    block = answer.answer.route.request.governed.bound.policy.confidence
    assert block is not None
    scoring, choices = Scoring(answer, asked_of(answer, notes["features"]), models), seen(answer)
    signals, now_ns = [], scoring.models.attempts.now_ns
    for scorer in block.scorers:
        began = now_ns()
        found = await _signal(scoring, scorer, choices)
        signals.append(found._replace(ms=round((now_ns() - began) / 1e6, 3)))
    return Scored(combined(block, signals), tuple(signals))


def combined(block: Confidence, signals: list[Signal]) -> float | None:
    """Make one score of several."""
    scores = [signal.score for signal in signals if signal.score is not None]
    if len(scores) < len(signals):
        return None
    if block.combine == "min":
        return min(scores)
    if block.combine == "product":
        return prod(scores)
    weights = [scorer.weight for scorer in block.scorers]
    total = sum(weights)
    return sum(w * s for w, s in zip(weights, scores, strict=True)) / total if total else None


async def _signal(scoring: Scoring, scorer: blocks.Scorer, choices: list[Seen]) -> Signal:
    answer, models = scoring.answer, scoring.models
    if choices and isinstance(scorer, blocks.SelfConsistencyScorer):
        told = await models.again(answer, scorer.samples - 1)
        return _least([agreement(scorer, choice, told) for choice in choices], scorer.kind)
    if choices and isinstance(scorer, blocks.VerifierScorer):
        found = await asyncio.gather(*(_verified(scoring, scorer, choice) for choice in choices))
        costs = [signal.cost_usd for signal in found if signal.cost_usd is not None]
        total = sum(costs) if len(costs) == len(found) else None
        return _least(list(found), scorer.kind)._replace(cost_usd=total)
    if choices and isinstance(scorer, blocks.GroundingScorer):
        return await asyncio.to_thread(_grounded, choices, said.context(answer.answer.route.request.cleared.body))
    known = [_local(scoring, scorer, choice) for choice in choices]
    return _least([each for each in known if each is not None], scorer.kind)


async def _verified(scoring: Scoring, scorer: blocks.VerifierScorer, choice: Seen) -> Signal:
    request = scoring.answer.answer.route.request
    prompts, question = request.governed.snapshot.prompts, said.question(request.cleared.body)
    text = verifier_text(scorer, prompts, question, choice.text)
    return verdict(Told([], 0.0) if text is None else await scoring.models.verify(scoring.answer, text, scorer.model))


def _grounded(choices: list[Seen], contexts: list[str]) -> Signal:
    """Compare clean texts with the clean request; in a thread, for long ones take their time."""
    if sum(len(choice.text) for choice in choices) + len(choices) * sum(map(len, contexts)) > MAX_GROUNDED_CHARS:
        return Signal("grounding", None, "too_long")
    scores = [grounding(choice.text, contexts) for choice in choices]
    known = [score for score in scores if score is not None]
    missing = len(known) < len(scores)
    return Signal("grounding", None if missing else min(known), "nothing_to_compare" if missing else None)


def _local(scoring: Scoring, scorer: blocks.Scorer, choice: Seen) -> Signal | None:
    if isinstance(scorer, blocks.LogprobScorer):
        return logprob(scorer, choice)
    if isinstance(scorer, blocks.SchemaScorer):
        return schema(scorer, choice, scoring.asked)
    if isinstance(scorer, blocks.ExpressionScorer):
        return expression(scorer, choice, scoring.asked.about)
    return None


def _least(found: list[Signal], kind: str) -> Signal:
    missing = next((signal for signal in found if signal.score is None), None)
    if missing is not None or not found:
        return missing or Signal(kind, None, "no_answer")
    return min(found, key=lambda signal: signal.score or 0.0)


def seen(answer: ClearAnswer) -> list[Seen]:
    """Give the choices of an answer as scorers look at them."""
    own = _whole(answer, answer.restored) or answer.clean
    tokens = _tokens(answer)
    rows = zip(said.texts(answer.clean), said.texts(own), _calls(own), strict=False)
    return [
        Seen(clean, mine, parsed(mine), tokens[at] if at < len(tokens) else [], calls)
        for at, (clean, mine, calls) in enumerate(rows)
    ]


def asked_of(answer: ClearAnswer, features: Json) -> Asked:
    """Give what the caller asked for, as it was sent: schemas are compared with the caller's own values."""
    governed = answer.answer.route.request.governed
    body, needs = governed.call.body, features["needs"]
    shape = said.wanted(body).schema
    about = {
        "model": body.get("model", ""), "endpoint": governed.call.endpoint.name, "stream": governed.call.stream,
        "input_tokens": answer.answer.route.request.cleared.chars // 4,
        "max_output_tokens": features["max_output_tokens"], "messages": features["messages"],
        "has_images": "vision" in needs, "has_audio": "audio" in needs, "has_tools": "tools" in needs,
        "json_schema": "json_schema" in needs,
    }  # fmt: skip
    return Asked(shape, body.get("tools"), about)


def _calls(own: Json) -> list[list[ToolCall]]:
    if "output" in own:
        return [list(called(own))]
    return [list(called({_CHOICES: [choice]})) for choice in own.get(_CHOICES) or ()]


def _tokens(answer: ClearAnswer) -> list[list[Json]]:
    """Give the tokens of each choice; those of a stream come in pieces."""
    events = answer.answer.events
    whole = _whole(answer, events) if answer.answer.route.request.governed.call.endpoint.name == "responses" else None
    if whole is not None or len(events) == 1 or not events:
        return said.tokens(whole or (events[0] if events else answer.clean))
    found: dict[int, list[Json]] = {}
    for event in events:
        for choice in event.get(_CHOICES) or ():
            found.setdefault(choice.get("index") or 0, []).extend(said.tokens({_CHOICES: [choice]})[0])
    return [entries for _, entries in sorted(found.items())]


def _whole(answer: ClearAnswer, events: tuple[Json, ...]) -> Json | None:
    """Put the events of a stream together; a body is whole already."""
    call = answer.answer.route.request.governed.call
    if not call.stream or not events or call.endpoint.assemble is None:
        return events[0] if events else None
    assembly = call.endpoint.assemble()
    for event in events:
        assembly.add(event)
    return assembly.whole()
