"""What a record may not say in the open: the content that is sealed beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Content:
    """The cleared texts that belong to one event.

    `subject` is the raw subject id: it selects the key and is never written. `index` lists what the redactor
    found, as (kind, HMAC of the value in hex).
    """

    subject: str | None = None
    retention_class: str = "content"
    fields: Mapping[str, bytes | str] = field(default_factory=dict)
    index: tuple[tuple[str, str], ...] = ()
