"""What every client is asked to do, and how its script reports it: one JSON line for each check that held."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

from pydantic import BaseModel

E = TypeVar("E", bound=Exception)
MODEL, EMBEDDER = "gpt-4.1-mini", "text-embedding-3-small"
ADDRESS = "maria.schneider@example.com"
QUESTION = f"Summarise this note. Parcel 4711 arrives on Friday and the customer is reached at {ADDRESS}."
SECRET = "Deploy with AKIAIOSFODNN7EXAMPLE tonight."
TICKET = "I was charged twice for my invoice and want the money back."
TOOL_TEXT = "What is the weather in Hamburg?"
STRICT_KEY = os.environ["STRICT_KEY"]  # bound to an automation whose policy refuses secrets
BASE_URL = os.environ["OPENAI_BASE_URL"]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
LABELS = {"x-sluice-run-id": os.environ["RUN_ID"], "x-sluice-step": "answer"}


class Triage(BaseModel):
    category: Literal["billing", "delivery", "other"]
    urgent: bool


def holds(condition: object, said: object) -> None:
    """Stop with what was said, unless the condition holds."""
    if not condition:
        raise SystemExit(f"unexpected: {said!r}")


def refused(kind: type[E], call: Callable[[], object]) -> E:
    """Give the client's own exception that the call ends with."""
    try:
        said = call()
    except kind as error:
        return error
    raise SystemExit(f"not refused: {said!r}")


def restored(text: str) -> str:
    """Return the text if the caller's own address is back in it, and no placeholder."""
    holds(ADDRESS in text and "[EMAIL_" not in text, text)
    return text


def run(checks: Mapping[str, Callable[[], object]]) -> None:
    """Run the checks in order; the first that does not hold ends the script."""
    for name, check in checks.items():
        sys.stdout.write(json.dumps({"check": name, "said": str(check())}) + "\n")
        sys.stdout.flush()
