"""Where a value is planted in a request: every part that a caller can write to."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from gateway.verify.values import Value

# Site -> whether a name, which has no form, is looked for there too.
SITES: Mapping[str, bool] = {
    "system": True,
    "user": True,
    "split over two parts": False,
    "percent-encoded": False,
    "base64": False,
    "tool arguments": True,
    "tool result": True,
    "tool definition": True,
    "metadata": True,
    "key": False,
    "unknown field": True,
}
RESTORED = ("user", "split over two parts")  # what the upstream echoes as it stands


def part_of(site: str) -> str:
    """Return the policy's word for a site."""
    if site in {"system", "metadata"}:
        return site
    return "tool" if "tool" in site or site == "key" else "user" if site != "unknown field" else "other"


def request(planted: Mapping[str, Value], stream: bool) -> dict[str, Any]:
    """Return a chat request with one value at each site that is given one."""
    text = {site: f"{lead}{value}" for site, (lead, value) in planted.items()}
    lead, value = planted.get("split over two parts", ("", ""))
    cut = len(lead) + len(value) // 2
    whole = f"Please note: {lead}{value}"
    parts = [{"type": "text", "text": half} for half in (whole[: cut + 13], whole[cut + 13 :])]
    call = {"name": "note", "arguments": json.dumps({"note": text.get("tool arguments", "")})}
    result = {"result": {"note": text.get("tool result", "")}, text.get("key", "key"): 1}
    encoded = base64.b64encode(f"note: {text.get('base64', '')}".encode()).decode()
    return {
        "stream": stream,
        "messages": [
            {"role": "system", "content": f"Know that {text.get('system', '')}."},
            {"role": "user", "content": f"Hello, {text.get('user', '')}. Thank you."},
            {"role": "assistant", "tool_calls": [{"id": "call_0", "type": "function", "function": call}]},
            {"role": "tool", "tool_call_id": "call_0", "content": json.dumps(result)},
            {"role": "user", "content": f"see {quote(text.get('percent-encoded', ''), safe='')} and {encoded} now"},
            {"role": "user", "content": parts},
        ],
        "tools": [{"type": "function", "function": {"name": "note", "description": text.get("tool definition", "")}}],
        "metadata": {"remark": text.get("metadata", "")},
        "session_note": text.get("unknown field", ""),
    }
