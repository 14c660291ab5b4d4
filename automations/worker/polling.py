"""Sources in their turns: polled by one worker at a time; what hinders one is told once, and shown while it does."""

import logging
from dataclasses import dataclass
from typing import Final

from automations.connectors.base import Refused, Unavailable
from automations.flow.automation import Automation, Offer, Source
from automations.flow.engine import Engine
from automations.queue.turns import Turns, troubles

_LOG: Final = logging.getLogger("sluice.worker")
_LOOK_S: Final = 5.0
_AWAY_S: Final = (0.5, 15.0)


@dataclass(slots=True)
class Polling:
    """One source of an automation."""

    source: Source
    place: str
    turns: Turns
    offer: Offer
    away_s: float = _AWAY_S[0]

    def once(self) -> float:
        """Poll if it is this worker's turn; return how long to wait before the next look."""
        if self.turns.mine(self.place, self.source.every_s):
            try:
                self.source.poll(self.offer)
            except (Refused, Unavailable) as error:  # of a connector, which names nobody
                return self._hindered(str(error))
            except OSError as error:
                return self._hindered(f"its files cannot be read or moved ({type(error).__name__})")
            self.away_s = _AWAY_S[0]
            if self.turns.tell(self.place, None):
                _LOG.warning("%s: works again", self.place)
        return min(self.source.every_s, _LOOK_S)

    def _hindered(self, why: str) -> float:
        if self.turns.tell(self.place, why):
            _LOG.warning("%s: %s", self.place, why)
        wait_s, self.away_s = self.away_s, min(self.away_s * 2, _AWAY_S[1])
        return wait_s


def place_of(automation: Automation, source: Source) -> str:
    """Return the name under which a source has its turns."""
    return f"{automation.name}/{source.name}"


def hindered(engine: Engine, tenant: str) -> list[dict[str, str]]:
    """Return the sources of a tenant's automations that give nothing now, and why."""
    known = troubles(engine.store)
    found = []
    for automation in engine.automations.values():
        named = {each.name: known.get(place_of(automation, each)) for each in automation.sources}
        if any(named.values()) and engine.gateway.tenant_of(automation.name) == tenant:
            found += [{"automation": automation.name, "source": name, "why": why} for name, why in named.items() if why]
    return found
