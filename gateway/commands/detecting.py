"""Detector processes of a command's own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from gateway.cli import Sentence
from redaction.detect import Detector
from redaction.presidio.detectors import Detectors

READY_S: Final = 30.0
POLL_S: Final = 0.05


@asynccontextmanager
async def detecting(presidio: Sequence[str] = (), *, needed: bool = True) -> AsyncIterator[Detector]:
    """Lend a detector, with its processes running if they are needed, and stop them afterwards.

    Raises:
        Sentence: the processes did not start in time.
    """
    detectors = Detectors(1)
    try:
        detector = detectors.detector(presidio)
        if needed:
            await _started(detectors)
        yield detector
    finally:
        await detectors.close()


async def _started(detectors: Detectors) -> None:
    detectors.start()
    for _ in range(int(READY_S / POLL_S)):
        if detectors.ready():
            return
        await asyncio.sleep(POLL_S)
    raise Sentence(f"The detector processes did not start within {READY_S:g} s.")
