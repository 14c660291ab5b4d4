"""Carries events from the outbox to the gateway's ledger; while the gateway is away they wait."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from automations.flow.failures import GatewayAway
from automations.flow.gateway import Gateway, Json
from automations.queue.outbox import Outbox, Waiting
from automations.queue.sealing import Damaged, RunKey

BATCH: Final = 50  # more at once would take the gateway longer than a live call takes
_CODE: Final = re.compile(r"\d{3} ([a-z_]{1,64}):")
_LEASE_S: Final = 60.0


class KeySource(Protocol):
    """Opens keys of runs, by their wrapped forms; one that was open a moment ago is not asked for again."""

    def recent_keys(self, automation: str, wrapped: Mapping[str, str]) -> Mapping[str, bytes]:
        """Return the keys by run; those that are destroyed are missing."""
        ...


@dataclass(slots=True)
class Relay:
    """One per worker; several work side by side."""

    outbox: Outbox
    gateway: Gateway
    keys: KeySource

    def once(self) -> int:
        """Hand over one batch; return how many events were taken from the outbox.

        Raises:
            GatewayAway: the gateway does not take them now; they are put back.
        """
        waiting = self.outbox.take(BATCH, _LEASE_S)
        left = {each.seq for each in waiting}
        try:
            for automation, events in _by_automation(waiting).items():
                pairs = self._posted(automation, events)
                taken = [each.seq for each, why in pairs if why is None]
                self.outbox.accepted(taken, {each.seq: why for each, why in pairs if why is not None})
                left -= {each.seq for each in events}
        except GatewayAway as error:
            self.outbox.again(sorted(left), error.after_s)
            raise
        return len(waiting)

    def _posted(self, automation: str, events: Sequence[Waiting]) -> list[tuple[Waiting, str | None]]:
        """Hand events over; of what the gateway refuses its texts are left out, so that what happened is known."""
        wrapped = {each.run_id: each.wrapped for each in events if each.texts_sealed and each.wrapped}
        keys = self.keys.recent_keys(automation, wrapped) if wrapped else {}
        told = [_event(each, keys.get(each.run_id)) for each in events]
        refusals = self.gateway.post(automation, told)
        for at, why in enumerate(refusals):
            if why is not None:
                code = next(iter(_CODE.findall(why)), "refused")
                bare = {**told[at], "body": {**events[at].words, "withheld": code}}
                refusals[at] = self.gateway.post(automation, [bare])[0] and why
        return list(zip(events, refusals, strict=True))


def _event(waiting: Waiting, key: bytes | None) -> Json:
    at = datetime.fromtimestamp(waiting.ts_us / 1e6, UTC).isoformat()
    event: Json = {"id": waiting.event_id, "kind": waiting.kind, "ts": at, "run": waiting.run_id}
    event |= {"step": waiting.step} if waiting.step else {}
    texts = _texts(waiting, key)
    subject = texts.pop("subject", None)
    return event | ({"subject": subject} if subject else {}) | {"body": {**waiting.words, **texts}}


def _texts(waiting: Waiting, key: bytes | None) -> Json:
    """Open the texts of an event; what is erased stays so, and the event goes without."""
    if waiting.texts_sealed is None or key is None:
        return {}
    try:
        return dict(RunKey(waiting.run_id, key).open(waiting.event_id, waiting.texts_sealed))
    except Damaged:
        return {}


def _by_automation(waiting: Iterable[Waiting]) -> dict[str, list[Waiting]]:
    found: dict[str, list[Waiting]] = defaultdict(list)
    for each in waiting:
        found[each.automation].append(each)
    return found
