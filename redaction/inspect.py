"""Look into one text as a request would be looked into, and say what was found: for people, not for calls."""

from typing import Any

from redaction.redactor import Redactor
from redaction.types import Blocked


async def inspect(redactor: Redactor, text: str) -> dict[str, Any]:
    """Give the entities of a text with their offsets and kinds, and the text as it would leave.

    Findings that no rule acts on are left out. A text that a rule would block comes back with `blocked` naming the kind
    and `text` null.
    """
    try:
        cleared = await redactor.clear_text(text)
    except Blocked as blocked:
        return {"entities": [], "text": None, "blocked": {"kind": blocked.kind, "site": blocked.site}}
    found = (finding for finding in cleared.findings if finding.action != "keep")
    entities = [
        {"kind": one.kind, "start": one.start, "end": one.end, "score": one.score, "recognizer": one.recognizer}
        for one in sorted(found, key=lambda finding: finding.start)
    ]
    return {"entities": entities, "text": cleared.body["text"]}
