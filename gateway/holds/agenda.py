"""The texts of actions and decisions: cleared by the policy of what they are about, then sealed."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson

from gateway.control import sealed, weekly
from gateway.control.database import Database
from gateway.control.identity.roles import Identity
from gateway.control.weekly import ITEM, Item, NewItem
from gateway.errors import RedactionDown, Refused, Ungoverned
from gateway.sealer import Sealer
from gateway.stages.bind import Redactors
from policy import model
from policy.snapshot import Snapshot
from redaction.types import Blocked, RedactionFailed

AGENDA: Final = "gateway/agenda"  # what the texts are sealed for


@dataclass(frozen=True, slots=True)
class Agenda:
    """Enters, lists and closes items."""

    database: Database
    sealer: Sealer
    snapshot: Callable[[], Snapshot]
    redactors: Redactors

    async def add(self, by: Identity, new: NewItem, text: str, owner: str) -> dict[str, Any]:
        """Enter an item; return it with its texts.

        Raises:
            ControlError: see `gateway.control.weekly.add`.
            Refused, Ungoverned, RedactionDown: the text holds what the policy does not let pass, or was not searched.
        """
        cleared = await self._cleared(by.tenant, new.automation, text)
        item_id = self.database.new_id("item")
        raw = orjson.dumps({"text": cleared, "owner": owner})
        ciphertext = self.sealer.seal(by.tenant, f"{ITEM}\0{item_id}", raw)
        item = await asyncio.to_thread(weekly.add, self.database, by, new, ciphertext, item_id)
        return self.shown(item)

    def listed(self, tenant: str, week: str | None) -> list[dict[str, Any]]:
        """List items with their texts; of a week: its own, and those carried into it."""
        with self.database.read() as conn:
            found = weekly.items(conn, tenant, week)
        return [self.shown(item) for item in found]

    def shown(self, item: Item) -> dict[str, Any]:
        """Return an item with its texts."""
        return texts_of(self.database, self.sealer, item)

    async def _cleared(self, tenant: str, automation: str | None, text: str) -> str:
        try:
            bound = self.snapshot().bind(model.Facts(tenant, None, automation, None, None), {})
            cleared = await self.redactors.of(bound, tenant).redactor.clear_text(text)
        except model.Ungoverned as error:
            raise Ungoverned("No policy says how this text is to be cleared.") from error
        except Blocked as error:
            raise Refused(f"The policy does not allow {error.kind} in this text.") from error
        except RedactionFailed as error:
            raise RedactionDown("The text could not be searched for personal data.") from error
        return str(cleared.body["text"])


def texts_of(database: Database, sealer: Sealer, item: Item) -> dict[str, Any]:
    """Return an item with its texts; they are null when they were erased or have expired."""
    kept = sealed.get(database, item.tenant, ITEM, item.item_id)
    raw = None if kept is None else sealer.open(item.tenant, f"{ITEM}\0{item.item_id}", kept.ciphertext)
    texts = {"text": None, "owner": None} if raw is None else orjson.loads(raw)
    return {"object": "agenda_item"} | asdict(item) | texts
