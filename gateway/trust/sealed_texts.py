"""Opens what the control database keeps sealed about people, whoever sealed it."""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.control import sealed
from gateway.control.database import Database
from gateway.control.reviews import CONTENT, NOTE, OUTPUT
from gateway.control.sealed import SealedItem
from gateway.holds.texts import REVIEWS
from gateway.responses import leased, store
from gateway.sealer import Sealer
from metrics.record.master import MasterKey
from redaction.placeholders import canonical_value

_RESPONSES: Final = "gateway/responses"


@dataclass(frozen=True, slots=True)
class Text:
    """One opened item; `value` is JSON, with the values behind placeholders where it has any."""

    kind: str
    item_id: str
    value: Any


@dataclass(frozen=True, slots=True)
class SealedTexts:
    """Reads the items of one database with the master key."""

    database: Database
    master: MasterKey

    def about(self, tenant: str, subject_ref: str) -> list[Text]:
        """Open everything about a subject; copies of answers that may be given again stand in the record anyway."""
        items = sealed.about(self.database, tenant, subject_ref)
        return [text for item in items if (text := self._opened(tenant, item))]

    def with_value(self, tenant: str, value: str) -> list[Text]:
        """Open all items of the tenant and return those in which a value stands, in any spelling of its marks."""
        wanted = canonical_value(value)
        texts = (self._opened(tenant, item) for item in sealed.of_tenant(self.database, tenant))
        return [
            text for text in texts if text and any(wanted in canonical_value(each) for each in _strings(text.value))
        ]

    def _opened(self, tenant: str, item: SealedItem) -> Text | None:
        use, about = _sealed_for(item)
        raw = Sealer(self.master, use).open(tenant, about, item.ciphertext) if use else None
        if raw is not None and item.kind == store.EVENTS:
            raw = zlib.decompress(raw)
        return None if raw is None else Text(item.kind, item.item_id, json.loads(raw))


def _sealed_for(item: SealedItem) -> tuple[str, str]:
    """Return the use and the place that an item was sealed for; no use: nobody opens it here."""
    if item.kind in {CONTENT, OUTPUT, NOTE}:
        return REVIEWS, f"{item.kind}\0{item.item_id.partition('.')[0] if item.kind == NOTE else item.item_id}"
    if item.kind in {store.KIND, store.EVENTS}:
        return _RESPONSES, item.item_id
    return (_RESPONSES, f"job\0{item.item_id}") if item.kind == leased.KIND else ("", "")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strings(each)
