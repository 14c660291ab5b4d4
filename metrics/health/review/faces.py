"""A review as one printable HTML file, and as Markdown: nothing is loaded from anywhere, all text is escaped."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from metrics.health.review.blocks import Block, Bullets, Grid, Heading, Picture, Text, blocks

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem }
h2 { font-size: 1.25rem; border-bottom: 2px solid #0072B2; margin-top: 2rem }
h3 { font-size: 1.05rem; margin: 1.4rem 0 .2rem } .aside { color: GrayText; margin: .2rem 0 }
.warning { border-left: 4px solid #E69F00; padding: .3rem .8rem }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #8884; vertical-align: top }
th { font-weight: 600 } li { margin: .25rem 0 } svg { margin: .3rem 1rem .3rem 0; max-width: 100% }
@media print { body { margin: 0; max-width: none } h2 { break-after: avoid } tr, svg { break-inside: avoid } }
"""
_CSP: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_MARKS: Final = re.compile(r"([\\`*_{}\[\]#+|~!])")


def as_html(document: Mapping[str, Any], digest: str, items: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return one HTML page; `digest` is the SHA-256 of the frozen bytes."""
    body = "\n".join(_html(block) for block in blocks(document, items))
    foot = f"<p class='aside'>SHA-256 of the frozen review: <code>{escape(digest)}</code></p>"
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">'
        "<meta name='viewport' content='width=device-width'>"
        f"<title>Automation health {escape(document['week'])}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n{body}\n{foot}\n</body></html>\n"
    )


def as_markdown(document: Mapping[str, Any], digest: str, items: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return Markdown; drawings are pictures within it."""
    parts = [_markdown(block) for block in blocks(document, items)]
    return "\n\n".join([*parts, f"SHA-256 of the frozen review: `{digest}`"]) + "\n"


def summary(document: Mapping[str, Any]) -> str:
    """Return the headlines as plain text, for a message."""
    return "\n".join([f"Automation health, week {document['week']}", *(f"• {line}" for line in document["headlines"])])


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
    if isinstance(block, Text):
        kind = " class='warning'" if block.warning else " class='aside'" if block.aside else ""
        return f"<p{kind}>{escape(block.text)}</p>"
    if isinstance(block, Bullets):
        return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in block.texts)}</ul>"
    if isinstance(block, Picture):
        return block.svg
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in block.columns)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in block.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {plain(block.text)}"
    if isinstance(block, Text):
        return f"> {plain(block.text)}" if block.warning else plain(block.text)
    if isinstance(block, Bullets):
        return "\n".join(f"- {plain(text)}" for text in block.texts)
    if isinstance(block, Picture):
        data = base64.b64encode(block.svg.encode()).decode()
        return f"![{plain(block.words)}](data:image/svg+xml;base64,{data})"
    return "\n".join(_table(block))


def _table(grid: Grid) -> Iterator[str]:
    yield _row(grid.columns)
    yield _row("---" for _ in grid.columns)
    for row in grid.rows:
        yield _row(plain(cell) for cell in row)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def plain(text: str) -> str:
    """Make text that is nothing but text."""
    return _MARKS.sub(r"\\\1", escape(" ".join(text.split()), quote=False))
