"""The simulated provider as an ASGI application: chat completions, legacy completions, embeddings, models."""

import datetime as dt
import json
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from demo.provider import legacy, schema, wire
from demo.provider import request as requests
from demo.provider.clock import Clock
from demo.provider.embed import embeddings
from demo.provider.errors import WireError
from demo.provider.faults import SLOW_FACTOR, Fault, Faults
from demo.provider.latency import Pace
from demo.provider.model import Answer, Model
from demo.provider.request import ChatRequest

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_MAX_BODY_BYTES = 20_000_000
_REMEMBERED = 4_096
_CACHED_FROM_TOKENS = 1_024
_CACHE_STEP_TOKENS = 128
_PREFIX_CHARS = 4_096


@dataclass
class Memory:
    """How often a request was seen (so that a repeat may be answered otherwise), and which long prefixes were."""

    repeats: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def count(self, key: str) -> int:
        """Count an occurrence and give how many came before it; the oldest keys are forgotten."""
        seen = self.repeats.pop(key, 0)
        self.repeats[key] = seen + 1
        if len(self.repeats) > _REMEMBERED:
            self.repeats.popitem(last=False)
        return seen


Answered = tuple[wire.Envelope, ChatRequest, Sequence[Answer], wire.Usage]


@dataclass(frozen=True, slots=True)
class Shape:
    """How one endpoint is asked, and how it writes down what a model answered."""

    prefix: str
    asked_in: str
    whole: Callable[[*Answered], dict[str, Any]]
    chunks: Callable[[*Answered], Iterator[dict[str, Any]]]


_CHAT = Shape("chatcmpl", "messages", wire.whole, wire.chunks)
_LEGACY = Shape("cmpl", "prompt", legacy.whole, legacy.chunks)


@dataclass(frozen=True, slots=True)
class Plan:
    """One answer ready to be sent."""

    shape: Shape
    request: ChatRequest
    envelope: wire.Envelope
    answers: list[Answer]
    used: wire.Usage
    pace: Pace

    @property
    def answered(self) -> Answered:
        """What a shape writes down."""
        return self.envelope, self.request, self.answers, self.used


class Provider:
    """The ASGI application. `seed` fixes what is not fixed by a request's own seed; `pace_scale` 0 answers at once."""

    def __init__(
        self, models: Mapping[str, Model], clock: Clock, faults: Faults, *, seed: int = 0, pace_scale: float = 1.0
    ) -> None:
        self._models = models
        self._clock = clock
        self._faults = faults
        self._seed = seed
        self._pace_scale = pace_scale
        self._memory = Memory()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        if scope["type"] != "http":
            return
        reply = Reply(send, f"req_{uuid.uuid4().hex}")
        try:
            await self._route(scope["method"], scope["path"], receive, reply)
        except WireError as error:
            await reply.json(error.status, error.body())

    async def _route(self, method: str, path: str, receive: Receive, reply: "Reply") -> None:
        route = (method, path.removeprefix("/v1").rstrip("/"))
        if route == ("GET", "/models"):
            await reply.json(200, {"object": "list", "data": [self._row(name) for name in self._models]})
        elif method == "GET" and route[1].startswith("/models/"):
            await reply.json(200, self._row(self._model(route[1].removeprefix("/models/")).name))
        elif route == ("POST", "/chat/completions"):
            await self._chat(await _body(receive), reply)
        elif route == ("POST", "/completions"):
            await self._answer(legacy.parse(await _body(receive)), _LEGACY, reply)
        elif route == ("POST", "/embeddings"):
            await self._embed(await _body(receive), reply)
        else:
            raise WireError(404, f"Unknown request URL: {method} {path}.", None, "unknown_url")

    def _row(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": 0, "owned_by": "simulated", "simulated": True}

    def _model(self, name: str) -> Model:
        if (model := self._models.get(name)) is None:
            known = " and ".join(self._models)
            sentence = f"The model '{name}' does not exist here: this simulated provider has {known}."
            raise WireError(404, sentence, "model", "model_not_found")
        return model

    async def _embed(self, body: Any, reply: "Reply") -> None:
        if not isinstance(body, dict):
            raise WireError(400, "The body must be a JSON object.")
        self._model(str(body.get("model")))
        if await self._refused(self._faults.draw(), reply):
            return
        await reply.json(200, embeddings(body))

    async def _chat(self, body: Any, reply: "Reply") -> None:
        request = requests.parse(body)
        if request.format.get("type") == "json_schema":
            schema.load(request.format.get("json_schema", {}).get("schema"))
        await self._answer([request], _CHAT, reply)

    async def _answer(self, asked: Sequence[ChatRequest], shape: Shape, reply: "Reply") -> None:
        model = self._model(asked[0].model)
        fault = self._faults.draw()
        if await self._refused(fault, reply):
            return
        plan = self._plan(asked, model, shape, slow=fault == "slow")
        if plan.request.stream:
            await self._stream(plan, reply, cut=fault == "cut")
        else:
            await self._whole(plan, reply, cut=fault == "cut")

    async def _refused(self, fault: Fault | None, reply: "Reply") -> bool:
        if fault == "rate_limit":
            error = WireError(429, "Rate limit reached, please slow down (simulated).", None, "rate_limit_exceeded")
            await reply.json(429, error.body(), {"retry-after": "1"})
        elif fault == "server_error":
            await reply.json(500, WireError(500, "The server had an error (simulated).", None, None).body())
        return fault in {"rate_limit", "server_error"}

    def _plan(self, asked: Sequence[ChatRequest], model: Model, shape: Shape, *, slow: bool) -> Plan:
        prompts = [wire.prompt_tokens(request) for request in asked]
        if max(prompts) > model.context_tokens:
            sentence = (
                f"This model's maximum context length is {model.context_tokens} tokens, {max(prompts)} were given."
            )
            raise WireError(400, sentence, shape.asked_in, "context_length_exceeded")
        now = dt.datetime.fromtimestamp(self._clock.now_s(), dt.UTC)
        owns = [f"{self._seed}:{request.digest}" for request in asked]
        repeats = [self._memory.count(own) for own in owns]
        answers = []
        for request, own, repeat in zip(asked, owns, repeats, strict=True):
            answers += model.answer(request, own if request.seed is not None else f"{own}:{repeat}", now.date())
        pace = model.latency.draw(f"{owns[0]}:{repeats[0]}", self._pace_scale)
        return Plan(
            shape=shape,
            request=asked[0],
            envelope=wire.Envelope(f"{shape.prefix}-{uuid.uuid4().hex[:24]}", int(now.timestamp()), model.name),
            answers=answers,
            used=wire.usage(sum(prompts), self._cached_tokens(asked[0], prompts[0]), answers),
            pace=pace.slower(SLOW_FACTOR) if slow else pace,
        )

    def _cached_tokens(self, request: ChatRequest, prompt: int) -> int:
        if prompt < _CACHED_FROM_TOKENS:
            return 0
        prefix = json.dumps(request.messages)[:_PREFIX_CHARS]
        seen = self._memory.count(f"prefix:{request.model}:{prefix}")
        tokens = min(prompt, _CACHED_FROM_TOKENS) // _CACHE_STEP_TOKENS * _CACHE_STEP_TOKENS
        return tokens if seen else 0

    async def _whole(self, plan: Plan, reply: "Reply", *, cut: bool) -> None:
        tokens = max(answer.tokens() for answer in plan.answers)
        await self._clock.sleep(plan.pace.total_s(tokens))
        body = json.dumps(plan.shape.whole(*plan.answered), ensure_ascii=False).encode()
        await reply.start(200, "application/json", {"openai-processing-ms": f"{1000 * plan.pace.total_s(tokens):.0f}"})
        await reply.part(body[: len(body) // 2] if cut else body)
        if not cut:
            await reply.end()

    async def _stream(self, plan: Plan, reply: "Reply", *, cut: bool) -> None:
        left = self._faults.cut_after(plan.answers[0].tokens()) if cut else -1
        await self._clock.sleep(plan.pace.first_token_s)
        await reply.start(200, "text/event-stream; charset=utf-8", {"cache-control": "no-cache"})
        for event in plan.shape.chunks(*plan.answered):
            if left == 0:
                return  # an application that returns without ending its body has its connection closed
            left -= 1
            await reply.part(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n")
            await self._clock.sleep(plan.pace.per_token_s)
        await reply.part(b"data: [DONE]\n\n")
        await reply.end()


@dataclass
class Reply:
    """Sends a response; every one says that it is simulated."""

    send: Send
    request_id: str

    async def json(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole JSON body."""
        await self.start(status, "application/json", headers or {})
        await self.part(json.dumps(body, ensure_ascii=False).encode())
        await self.end()

    async def start(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        """Send status and headers."""
        said = {
            "content-type": content_type,
            "x-simulated-provider": "true",
            "x-request-id": self.request_id,
            **headers,
        }
        raw = [(name.encode(), value.encode()) for name, value in said.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})

    async def part(self, data: bytes) -> None:
        """Send a piece of the body."""
        await self.send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """Finish the body."""
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})


async def _body(receive: Receive) -> Any:
    data = bytearray()
    while True:
        message = await receive()
        data += message.get("body", b"")
        if len(data) > _MAX_BODY_BYTES:
            raise WireError(413, "The request body is too large.", None, "request_too_large")
        if not message.get("more_body"):
            break
    try:
        return json.loads(data)
    except ValueError as error:
        raise WireError(400, "We could not parse the JSON body of your request.") from error
