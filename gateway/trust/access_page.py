"""The access export as a page that a person can read: no scripts, no links, the same bytes for the same export."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

_STYLE: Final = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
td,th{border:1px solid #ccc;padding:.3rem .5rem;text-align:left;
vertical-align:top}th{width:14rem;font-weight:600}pre{white-space:pre-wrap;word-break:break-word;margin:0}"""
_NAMES: Final = {
    "kind": "What happened", "automation": "For which purpose (automation)", "step": "Step", "run": "Run",
    "endpoint": "How", "model_answered": "Which model answered", "provider": "Who received the request",
    "policy": "Under which rules", "data_class": "Kind of data", "entities": "Personal data that was found",
    "verdict": "What was decided", "outcome": "How it ended",
}  # fmt: skip


def page(export: Mapping[str, Any]) -> str:
    """Write an export as HTML."""
    records, items = export["records"], export["items"]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>What is stored about you</title>',
        f"<style>{_STYLE}</style></head><body><h1>What is stored about you</h1>",
        f"<p>{len(records)} records, and beside them {len(items)} texts of reviews, stored responses and runs. ",
        "Words in square brackets such as [EMAIL_abc123] stand for values that were taken out before a model saw ",
        "the text.</p>",
        *(_record(number, record) for number, record in enumerate(records, 1)),
        *(_item(number, item) for number, item in enumerate(items, 1)),
        "</body></html>\n",
    ]
    return "".join(parts)


def _record(number: int, record: Mapping[str, Any]) -> str:
    when = datetime.fromtimestamp(record["ts_us"] / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    facts = [("When", when), *((title, record[name]) for name, title in _NAMES.items() if record.get(name))]
    texts = record.get("texts", {})
    said = texts.items() if isinstance(texts, Mapping) else [("texts", texts)]
    return f"<h2>Record {number}</h2>{_table([*facts, *said])}"


def _item(number: int, item: Mapping[str, Any]) -> str:
    value = item["value"]
    rows = list(value.items()) if isinstance(value, Mapping) else [("text", value)]
    return f"<h2>Stored text {number}: {escape(item['kind'])}</h2>{_table(rows)}"


def _table(rows: list[tuple[str, Any]]) -> str:
    cells = (
        f"<tr><th>{escape(str(name))}</th><td><pre>{escape(_shown(value))}</pre></td></tr>" for name, value in rows
    )
    return f"<table>{''.join(cells)}</table>"


def _shown(value: Any) -> str:
    """Write JSON so that it can be read; a text as it is."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
