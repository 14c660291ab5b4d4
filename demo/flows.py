"""Four small automations as a team might write them: plain `openai` client calls with labels in headers."""

import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from openai.types.shared_params import ResponseFormatJSONSchema

CATEGORIES = ("billing", "technical", "account", "delivery", "sales", "cancellation", "complaint", "privacy")
INDUSTRIES = (
    "software",
    "manufacturing",
    "retail",
    "healthcare",
    "finance",
    "logistics",
    "education",
    "construction",
    "hospitality",
)


@dataclass(frozen=True, slots=True)
class Models:
    """Which models the automations ask."""

    small: str = "simulated-small"
    large: str = "simulated-large"
    embedding: str = "simulated-small"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one automation: a client with its key, an id, the models."""

    client: AsyncOpenAI
    run_id: str
    models: Models

    def labels(self, step: str, prompt: str, subject: str | None = None) -> dict[str, str]:
        """Give the headers that label a call."""
        said = {"x-sluice-run-id": self.run_id, "x-sluice-step": step, "x-sluice-prompt": prompt}
        return said if subject is None else {**said, "x-sluice-subject": subject}


@dataclass(frozen=True, slots=True)
class Judged:
    """What the source system knows afterwards: the metric, whether it was met, and the right value."""

    metric: str
    met: bool
    right: str


async def triage(run: Run, sample: Mapping[str, Any], _articles: Sequence[Mapping[str, str]]) -> Judged:
    """Sort a message into a category, then let the model choose what to do with it."""
    message = f"Subject: {sample['subject']}\n\n{sample['text']}"
    order = f"Classify the customer's message. Answer with exactly one of: {', '.join(CATEGORIES)}."
    said = await run.client.chat.completions.create(
        model=run.models.small,
        messages=_chat(order, message),
        temperature=0.3,
        max_tokens=8,
        logprobs=True,
        top_logprobs=5,
        extra_headers=run.labels("classify", "triage-classify@2", sample["id"]),
    )
    await run.client.chat.completions.create(
        model=run.models.large,
        messages=_chat("Call the tools that this message needs.", message),
        tools=_TRIAGE_TOOLS,
        extra_headers=run.labels("route", "triage-route@1", sample["id"]),
    )
    right = sample["expected"]["category"]
    return Judged("category_correct", (said.choices[0].message.content or "").strip() == right, right)


async def enrich(run: Run, sample: Mapping[str, Any], _articles: Sequence[Mapping[str, str]]) -> Judged:
    """Turn a record with free notes into typed firmographics."""
    record = "\n".join(f"{key.capitalize()}: {value}" for key, value in sample["record"].items())
    said = await run.client.chat.completions.create(
        model=run.models.large,
        messages=_chat("Extract the company's data from the CRM record.", f"Record:\n{record}"),
        temperature=0.2,
        response_format=_form("firmographics", _FIRMOGRAPHICS),
        extra_headers=run.labels("extract", "crm-extract@3", sample["id"]),
    )
    found = json.loads(said.choices[0].message.content or "{}")
    right = sample["expected"]
    met = (found["industry"], found["employees"]) == (right["industry"], right["employees"])
    return Judged("record_correct", met, f"{right['industry']}, {right['employees']}")


async def qualify(run: Run, sample: Mapping[str, Any], _articles: Sequence[Mapping[str, str]]) -> Judged:
    """Turn call notes into a structured summary with a score, streamed."""
    stream = await run.client.chat.completions.create(
        model=run.models.small,
        messages=_chat("Summarise the sales call for the account team.", f"Notes:\n{sample['notes']}"),
        temperature=0.3,
        response_format=_form("qualification", _QUALIFICATION),
        stream=True,
        stream_options={"include_usage": True},
        extra_headers=run.labels("summarise", "qualify@1", sample["id"]),
    )
    parts = [event.choices[0].delta.content or "" async for event in stream if event.choices]
    right = sample["expected"]["interest"]
    return Judged("interest_correct", json.loads("".join(parts))["interest"] == right, right)


async def support(run: Run, sample: Mapping[str, Any], articles: Sequence[Mapping[str, str]]) -> Judged:
    """Find the nearest article and draft an answer from it, streamed."""
    best = await _nearest(run, sample, articles)
    stream = await run.client.chat.completions.create(
        model=run.models.large,
        messages=_chat(
            "Draft a polite reply to the customer. Use only the context.",
            f"Ticket:\n{sample['text']}\n\nContext:\n{best['text']}",
        ),
        temperature=0.5,
        stream=True,
        extra_headers=run.labels("draft", "support-draft@4", sample["id"]),
    )
    parts = [event.choices[0].delta.content or "" async for event in stream if event.choices]
    right = sample["expected"]["article"]
    told = any(sentence in "".join(parts) for sentence in best["text"].split(". "))
    return Judged("article_correct", best["id"] == right and told, right)


async def _nearest(run: Run, sample: Mapping[str, Any], articles: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    texts = [sample["text"], *(f"{article['title']}. {article['text']}" for article in articles)]
    said = await run.client.embeddings.create(
        model=run.models.embedding,
        input=texts,
        extra_headers=run.labels("retrieve", "support-retrieve@1", sample["id"]),
    )
    question, *rows = [row.embedding for row in said.data]
    scores = [sum(map(operator.mul, question, row)) for row in rows]
    return articles[scores.index(max(scores))]


def _chat(system: str, user: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _form(name: str, schema: dict[str, Any]) -> ResponseFormatJSONSchema:
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _tool(name: str, description: str, **properties: Any) -> ChatCompletionToolParam:
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": _object(**properties)},
    }


_TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_PRIORITY = {"type": "string", "enum": ["low", "normal", "high", "urgent"]}

_TRIAGE_TOOLS = [
    _tool("issue_refund", "Refund a double or wrong charge", invoice_number=_MAYBE_TEXT, reason=_TEXT),
    _tool("open_incident", "Open an incident for a system outage, error or crash", title=_TEXT, priority=_PRIORITY),
    _tool("reset_login", "Unlock an account or reset a password", customer_email=_MAYBE_TEXT, priority=_PRIORITY),
    _tool("trace_parcel", "Ask the courier where a delivery is", order_number=_MAYBE_TEXT, customer_name=_MAYBE_TEXT),
    _tool("forward_to_sales", "Hand an enquiry for a quote or demo to sales", company=_MAYBE_TEXT, summary=_TEXT),
    _tool("end_contract", "Cancel a subscription", customer_name=_MAYBE_TEXT, immediately={"type": "boolean"}),
    _tool("forward_to_privacy", "Hand a request about personal data to data protection", priority=_PRIORITY),
]

_FIRMOGRAPHICS = _object(
    company=_TEXT,
    domain=_MAYBE_TEXT,
    industry={"type": "string", "enum": list(INDUSTRIES)},
    employees={"type": ["integer", "null"], "description": "number of employees, people or staff", "minimum": 1},
    city=_MAYBE_TEXT,
    contact_name=_MAYBE_TEXT,
    confidence={"type": "number", "minimum": 0, "maximum": 1},
)

_QUALIFICATION = _object(
    interest={"type": "string", "enum": ["hot", "warm", "cold"]},
    budget=_MAYBE_TEXT,
    contact_name=_MAYBE_TEXT,
    timeline=_MAYBE_TEXT,
    is_decision_maker={"type": "boolean"},
    score={"type": "integer", "minimum": 0, "maximum": 100},
    summary=_TEXT,
    next_steps={"type": "array", "items": _TEXT, "maxItems": 2},
)
