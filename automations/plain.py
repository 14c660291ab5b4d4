"""Turns what strangers wrote into plain text: HTML as a reader sees it, and words in one spelling to look for."""

import html
import re
import unicodedata
from typing import Final

_RAW: Final = {name: re.compile(rf"</{name}\b[^>]*>?", re.I) for name in ("script", "style")}
_HIDDEN: Final = frozenset({"head", "template"})
_BREAKS: Final = frozenset({"p", "br", "div", "tr", "li", "h1", "h2", "h3", "h4"})
_TAG: Final = re.compile(r"<(?=[a-zA-Z/!?])(/?)([a-zA-Z][a-zA-Z0-9]{0,30})?")
_NO_NUMBER: Final = re.compile(r"&#(?:\d{8,}|[xX][0-9a-fA-F]{7,});?")
_CONTROL: Final = re.compile(
    r"(\\\\)|\\u00[01][0-9a-f]|\\[bf]|\x7f"
)  # as JSON writes them; tabs and line breaks it writes otherwise
# Words that speak to a model and not to us: a person reads such a text.
_ORDERS: Final = re.compile(
    r"\b(ignore|disregard|forget) (all |any |the |your |of )*(previous |prior |above |earlier |system )?"
    r"(instructions?|prompts?|rules)"
    r"|\b(you are now|act as|new instructions?:|system prompt|developer mode|jailbreak)\b|<\|?(im_start|system)\|?>"
    r"|\b(ignorier\w*|vergiss) (alle |deine |die )*(vorherigen |bisherigen )?(anweisungen|regeln)\b",
)


def text_of_html(page: str) -> str:
    """Give the text of a page, one line for each of its blocks, in one pass over it: what does not end hides the rest.

    The standard library's parser takes quadratic time for pages made for that.
    """
    found: list[str] = []
    at = hidden = 0
    while (tag := _TAG.search(page, at)) is not None:
        if not hidden:
            found.append(page[at : tag.start()])
        name = (tag[2] or "").lower()
        if name in _BREAKS and not tag[1]:
            found.append("\n")
        if name in _HIDDEN:
            hidden = max(0, hidden - 1) if tag[1] else hidden + 1
        at = _behind(page, tag, name)
    if not hidden:
        found.append(page[at:])
    text = html.unescape(_NO_NUMBER.sub("\N{REPLACEMENT CHARACTER}", "".join(found)))
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _behind(page: str, tag: re.Match[str], name: str) -> int:
    """Return where the page goes on behind a tag, a comment, or an element that is no text; its end: nowhere."""
    comment = page.startswith("<!--", tag.start())
    end = page.find("-->" if comment else ">", tag.end())
    at = len(page) if end < 0 else end + (3 if comment else 1)
    if name in _RAW and not tag[1]:
        closing = _RAW[name].search(page, at)
        return len(page) if closing is None else closing.end()
    return at


def without_controls(text: str) -> str:
    """Give compact JSON without the control characters in its texts; tabs and line breaks stay."""
    return _CONTROL.sub(r"\1", text)


def one_spelling(text: str) -> str:
    """Give words as they are looked for: one width of letters, nothing invisible, one blank between, no capitals."""
    plain = unicodedata.normalize("NFKC", text)
    seen = "".join(char for char in plain if unicodedata.category(char) != "Cf")
    return " ".join(seen.split()).casefold()


def speaks_to_a_model(text: str) -> bool:
    """Tell whether a text, in one spelling, has orders for a model in it."""
    return _ORDERS.search(text) is not None
