"""Reads a request: what is asked, which labels are allowed, which text it is about, what context is given."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from demo.provider.words import words, wordset

_READ_CHARS = 20_000  # of the text, and of the context; what comes later is paid for and not looked at
Task = Literal["label", "draft", "summary", "answer"]

_LIST = re.compile(
    r"(?:one of|labels?|categor(?:y|ies)|options?|classes|choices?|choose (?:from|between)|exactly one|either)"
    r"(?: the following| these| labels?| categories| words| are| is)*\s*[:(]?\s*"
    r"((?:[\"'`]?[\w\-/& ]{1,30}[\"'`]?\s*(?:,|\||/| or )\s*(?:or )?)+[\"'`]?[\w\-/&]{1,30}[\"'`]?)",
    re.IGNORECASE,
)
_BULLETS = re.compile(
    r"(?:labels?|categor(?:y|ies)|options?|classes|one of[^\n:]*)[^\n:]*:\s*\n((?:\s*[-*] .+\n?)+)", re.I
)
_HEADING = re.compile(r"^(?:#+\s*|\*\*|<)?([A-Za-z][A-Za-z \-]{2,40}?)(?:\*\*)?\s*(?::|>)\s*(.*)$")
_CONTEXT = wordset(
    "context knowledge article articles source sources document documents facts background faq excerpts passages"
)
_SUBJECT = wordset(
    "message ticket email mail text input request enquiry inquiry question transcript call notes record conversation "
    "customer"
)
_CUES: Sequence[tuple[Task, frozenset[str]]] = (
    ("draft", wordset("draft reply respond write compose")),
    ("summary", wordset("summarise summarize summary tl dr condense recap shorten")),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A request understood: `text` is what it is about, `instructions` how to treat it, `context` what to use."""

    task: Task
    instructions: str
    text: str
    context: str
    labels: tuple[str, ...]


def read(messages: Sequence[Mapping[str, Any]]) -> Reading:
    """Understand the messages of a chat request."""
    system = "\n".join(content_text(m) for m in messages if m.get("role") in {"system", "developer"})
    tools = "\n".join(content_text(m) for m in messages if m.get("role") in {"tool", "function"})
    users = [content_text(message) for message in messages if message.get("role") == "user"]
    last = users[-1] if users else ""
    from_system, from_user = _sections(system, "instructions"), _sections(last, "text")
    labels = find_labels(f"{system}\n{last}")
    text, told = _without_instructions(from_user["text"], from_user["instructions"])
    instructions = "\n".join(part for part in (from_system["instructions"], from_system["text"], told) if part)
    context = "\n".join(part for part in (from_system["context"], from_user["context"], tools) if part)
    task = _task(instructions or text, labels)
    return Reading(task, instructions[:_READ_CHARS], text[:_READ_CHARS], context[:_READ_CHARS], labels)


def content_text(message: Mapping[str, Any]) -> str:
    """Give the text of a message, whether its content is a string or a list of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, Mapping) and part.get("text"))


def find_labels(prompt: str) -> tuple[str, ...]:
    """Find the list of allowed labels in a prompt, empty when there is none."""
    if bullets := _BULLETS.search(prompt):
        rows = [row.strip().lstrip("-* ") for row in bullets.group(1).splitlines() if row.strip()]
        return _clean(re.split(r"\s*(?::|\s[-–]\s)", row)[0] for row in rows)
    for match in _LIST.finditer(prompt):
        labels = _clean(re.split(r"\s*(?:,|\||/|\bor\b)\s*", match.group(1)))
        if len(labels) >= 2 and all(len(label.split()) <= 3 for label in labels):
            return labels
    return ()


def quoted_names(prompt: str) -> tuple[str, ...]:
    """Find the field names that a prompt asks for, written in quotation marks or backticks."""
    return tuple(dict.fromkeys(re.findall(r"[\"'`]([A-Za-z_]\w{1,40})[\"'`]", prompt)))


def _clean(labels: Iterable[str]) -> tuple[str, ...]:
    stripped = (label.strip().strip("\"'`*.").strip() for label in labels)
    return tuple(dict.fromkeys(label for label in stripped if label))


def _sections(prompt: str, start: str) -> dict[str, str]:
    found: dict[str, list[str]] = {"instructions": [], "text": [], "context": []}
    now = start
    for line in prompt.splitlines():
        role, rest = _heading(line)
        now = role or now
        if rest or not role:
            found[now].append(rest)
    return {name: "\n".join(lines).strip() for name, lines in found.items()}


def _heading(line: str) -> tuple[str | None, str]:
    match = _HEADING.match(line.strip())
    named = set(words(match.group(1))) if match else set()
    if match is None or len(named) > 4:
        return None, line
    if named & _CONTEXT:
        return "context", match.group(2)
    return ("text", match.group(2)) if named & _SUBJECT and not match.group(2) else (None, line)


def _without_instructions(text: str, told: str) -> tuple[str, str]:
    lines = text.splitlines()
    asked = [line for line in lines if _LIST.search(line) or _is_order(line)]
    kept = [line for line in lines if line not in asked]
    if not any(line.strip() for line in kept):
        # One line that both orders and tells: what stands behind its last colon is the text.
        head, colon, tail = text.rpartition(":")
        return (tail.strip(), f"{told}\n{head}") if colon and tail.strip() else (text, f"{told}\n{text}")
    return "\n".join(kept).strip(), "\n".join([told, *asked]).strip()


def _is_order(line: str) -> bool:
    first = words(line)[:1]
    return line.rstrip().endswith(":") or bool(first and first[0] in _ORDERS)


_ORDERS = wordset(
    "classify extract summarise summarize draft write reply answer categorise categorize label rate translate return "
    "list give find"
)


def _task(instructions: str, labels: Sequence[str]) -> Task:
    if labels:
        return "label"
    found = words(instructions)
    hits = [(found.index(cue), task) for task, cues in _CUES for cue in cues if cue in found]
    return min(hits)[1] if hits else "answer"
