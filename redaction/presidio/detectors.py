"""The detector processes of a gateway worker, as `Detector`s for policies."""

from collections.abc import Sequence

from redaction.presidio.frames import Query
from redaction.presidio.pool import Pool
from redaction.types import Entity

NAMES = "redaction.presidio.names_worker"
PRESIDIO = "redaction.presidio.worker"
# Presidio's recognizers cost more than linear in the length of a text, so their pieces are shorter.
_PRESIDIO_PIECE_CHARS = 4_000


class Detectors:
    """Two pools: a light one for names alone, and one with Presidio that starts when a policy needs it."""

    def __init__(self, processes: int = 2) -> None:
        self._names = Pool(NAMES, processes)
        self._presidio = Pool(PRESIDIO, processes, piece_chars=_PRESIDIO_PIECE_CHARS)
        self._pools: list[Pool] = [self._names]

    def start(self) -> None:
        """Begin to start the processes of the pools in use; returns at once."""
        for pool in self._pools:
            pool.start()

    def ready(self) -> bool:
        """Say whether every pool in use can answer."""
        return all(pool.ready() for pool in self._pools)

    def detector(self, presidio: Sequence[str] = ()) -> "PoolDetector":
        """Return the detector of a policy that enables these Presidio recognizers.

        It may be called from any thread; call `start` on the event loop afterwards, or the first request starts them.
        """
        if presidio and self._presidio not in self._pools:
            self._pools.append(self._presidio)
        return PoolDetector(self._presidio if presidio else self._names, tuple(presidio))

    async def close(self) -> None:
        """End all processes."""
        for pool in self._pools:
            await pool.close()


class PoolDetector:
    """A `Detector` whose work is done by a pool's processes."""

    def __init__(self, pool: Pool, presidio: tuple[str, ...]) -> None:
        self._pool = pool
        self._presidio = presidio

    async def find(self, texts: Sequence[str], language: str, level: str, deadline_s: float) -> list[list[Entity]]:
        """Return one list of entities for each text, as `Detector.find` says; the texts count as one document."""
        if level == "off" and not self._presidio:
            return [[] for _ in texts]
        return await self._pool.find(texts, Query(level, language, self._presidio), deadline_s)
