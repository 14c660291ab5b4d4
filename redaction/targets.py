"""Targets of links and images: where a value that is written in leaves the page by itself, or with one click."""

import re
from collections.abc import Collection, ValuesView
from typing import Any

_LONGEST = 4096
_MANY = (list, tuple, ValuesView)
# Markdown, its references, attributes of HTML and CSS; the last group of each is the target so far.
_ATTRIBUTES = "src|href|srcset|action|formaction|background|poster|data|ping|cite|manifest|imagesrcset"
_TARGET = re.compile(
    r"\]\(\s*<([^>\n]*)\Z|\]\(\s*((?!<)(?:[^\s()]|\([^\s()]*\))*)\Z|\]:\s*<?([^\s>]*)\Z|\burl\(\s*\\*[\"']?([^\s)\"']*)\Z"
    rf"|\b(?:{_ATTRIBUTES})\s*=\s*(?:\\*\"([^\"]*)|\\*'([^']*)|([^\s>\"'\\]*))\Z",
    re.IGNORECASE,
)
# Addresses in plain text, which readers turn into links.
_BARE = re.compile(r"((?:\b(?:https?|ftp|wss?)://|\bwww\.)[^\s<>\"'`]*)\Z", re.IGNORECASE)
_LINK = re.compile(r"(?:https?|ftp|wss?)://[^\s<>\"'`]*\Z", re.IGNORECASE)
_DIRECT = frozenset({"mailto:", "tel:", "sms:"})


def target_at(text: str, *, bare: bool) -> str | None:
    """Give the target that is under way at the end of a text, if any; `bare` counts addresses in plain text too."""
    recent = text[-_LONGEST:]
    marked = "=" in recent or "](" in recent or "]:" in recent or "(" in recent
    found = (_TARGET.search(recent) if marked else None) or (_BARE.search(_last_word(recent)) if bare else None)
    return None if found is None else next(group for group in found.groups() if group is not None)


def link_at(text: str) -> str | None:
    """Give the address that is under way at the end of a text of the caller's, if any."""
    found = _LINK.search(word) if "://" in (word := _last_word(text[-_LONGEST:])) else None
    return found and found[0]


def links_in(request: Any, marks: Collection[str]) -> set[str]:
    """Give the addresses that callers wrote in a cleared request, up to and with each placeholder in them."""
    if isinstance(request, str):
        if "://" not in request:
            return set()
        ends = [(found.start(), mark) for mark in marks for found in re.finditer(re.escape(mark), request)]
        return {link + mark for start, mark in ends if (link := link_at(request[:start]))}
    if not marks:
        return set()
    if isinstance(request, dict):
        by_model = request.get("role") == "assistant" or str(request.get("type")).endswith(("_call", "reasoning"))
        request = () if by_model else request.values()
    return {link for each in request for link in links_in(each, marks)} if isinstance(request, _MANY) else set()


def _last_word(text: str) -> str:
    return text[max(text.rfind(" "), text.rfind("\n"), text.rfind("\t")) + 1 :]


def is_made_up(target: str | None, value: str) -> bool:
    """Say whether a target, in which a value is to be written next, was put together by the model."""
    if target is None or target.lower() in _DIRECT:
        return False
    return bool(target) or link_at(value) != value
