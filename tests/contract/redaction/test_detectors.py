"""What every `Detector` promises, on the fake and on the real one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from redaction.detect import Detector, WordDetector
from redaction.names.recognizer import load_names
from redaction.presidio.detectors import Detectors
from redaction.types import Entity

TEXT = "Please call Ivana Petrov today."


@asynccontextmanager
async def made(name: str) -> AsyncIterator[Detector]:
    if name == "fake":
        yield WordDetector({"Ivana Petrov": "PERSON"})
        return
    detectors = Detectors(processes=1)
    try:
        yield detectors.detector()
    finally:
        await detectors.close()


@pytest.mark.parametrize("name", ["fake", "real"])
def test_each_text_gets_its_own_entities(name: str) -> None:
    async def main() -> None:
        async with made(name) as detector:
            found = await detector.find([TEXT, "", "Nothing here."], "en", "balanced", 60)
            assert [[TEXT[e.start : e.end] for e in entities] for entities in found] == [["Ivana Petrov"], [], []]
            assert found[0][0].kind == "PERSON"
            assert 0.5 <= found[0][0].score <= 1
            assert await detector.find([], "en", "balanced", 60) == []

    asyncio.run(main())


@pytest.mark.parametrize("name", ["fake", "real"])
def test_a_deadline_that_cannot_be_met_raises_timeout_error(name: str) -> None:
    async def main() -> None:
        if name == "fake":
            slow: Detector = WordDetector({}, delay_s=5)
            with pytest.raises(TimeoutError):
                await slow.find([TEXT], "en", "balanced", 0.01)
            return
        async with made(name) as detector:
            with pytest.raises(TimeoutError):  # the process is still starting
                await detector.find([TEXT], "en", "balanced", 0.01)

    asyncio.run(main())


TEXTS = [
    "Hi Sarah, this is Tom Becker from Vantage Logistics in Rotterdam.",
    '{"customer": {"first_name": "Ingrid", "last_name": "Halvorsen"}, "city": "10115 Berlin"}',
    "please ship it to 12 Oak Street, Springfield, IL 62704, attn. maria lopez",
    "nginx on EKS talks to S3 in us-east-1; order 20260114 is late.",
    "Grüße\nJörg Müller\u200b\nœuvre d'Anaïs Lefèvre 😀 in Kraków",
]


@pytest.mark.parametrize("level", ["balanced", "strict", "paranoid"])
def test_a_detector_process_finds_what_the_model_finds_in_this_process(level: str) -> None:
    names = load_names()

    async def main() -> None:
        async with made("real") as detector:
            for text in TEXTS:  # one by one: the texts of one request count as one document
                (found,) = await detector.find([text], "en", level, 60)
                own = [entity for entity in found if entity.recognizer != "names.again"]
                assert sorted(own, key=_place) == sorted(names.find(text, level), key=_place)

    asyncio.run(main())


def _place(entity: Entity) -> tuple[int, str]:
    return entity.start, entity.kind
