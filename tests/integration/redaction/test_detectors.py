"""The real detector processes, as a gateway worker uses them."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import psutil
import pytest

from policy.blocks_redaction import Redaction
from redaction.detect import DetectorDown
from redaction.presidio.detectors import Detectors
from redaction.redactor import Redactor
from redaction.types import Vault

LONG = "Nothing else changed since the last update of the plan, see the notes of the meeting.\n"


def with_detectors(work: Callable[[Detectors], Awaitable[None]]) -> None:
    async def main() -> None:
        detectors = Detectors(processes=1)
        try:
            await work(detectors)
        finally:
            await detectors.close()

    asyncio.run(main())


def test_names_are_found_and_spread_over_a_request() -> None:
    texts = ["Hi, this is Ivana Petrov from Rotterdam.", "", "ivana called again"]

    async def work(detectors: Detectors) -> None:
        found = await detectors.detector().find(texts, "en", "balanced", 60)
        assert [[t[e.start : e.end] for e in es] for t, es in zip(texts, found, strict=True)] == [
            ["Ivana Petrov", "Rotterdam"],
            [],
            ["ivana"],
        ]

    with_detectors(work)


def test_a_long_text_is_found_whole_at_its_exact_places() -> None:
    head, tail = "Please call Ivana Petrov today.\n", "\nthanks, ivana"
    text = head + LONG * 400 + "Please call Ivana Petrov today.\n" + LONG * 400 + tail

    async def work(detectors: Detectors) -> None:
        (found,) = await detectors.detector().find([text], "en", "balanced", 60)
        people = sorted((e.start, text[e.start : e.end]) for e in found if e.kind == "PERSON")
        assert [name for _, name in people] == ["Ivana Petrov", "Ivana Petrov", "ivana"]
        assert people[-1][0] == len(text) - 5

    with_detectors(work)


def test_lone_surrogates_keep_their_place() -> None:
    async def work(detectors: Detectors) -> None:
        text = "\ud83d Hi, this is Ivana Petrov."
        (found,) = await detectors.detector().find([text], "en", "balanced", 60)
        assert [text[e.start : e.end] for e in found] == ["Ivana Petrov"]

    with_detectors(work)


ANSWER = (
    "Dear Ms. Petrov,\n\nthank you for your patience. Ivana Petrov from Rotterdam asked Dr. J. Okafor about order "
    "20260114 on Monday; he wrote to ivana@corp.example.com. Please see what Ivana said.\n"
    "Kind regards,\nTomasz Wisniewski"
)


def test_names_in_answers_stream_alike_however_they_are_cut() -> None:
    async def work(detectors: Detectors) -> None:
        rules = Redaction(answer_names="balanced", window_chars=200)
        redactor = Redactor(rules, b"k" * 32, detectors.detector())

        async def said(pieces: list[str]) -> str:
            screen = redactor.screen(Vault(), "chat.completions")
            events = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
            await screen.hear(events, ended=True)
            bodies = [body for event in events for body in screen.chunk(event)]
            return "".join(body.clean["choices"][0]["delta"]["content"] for body in (*bodies, *screen.close()))

        await detectors.detector().find(["warm"], "en", "balanced", 60)
        whole = await said([ANSWER])
        assert not {"Petrov", "Ivana", "Rotterdam", "Okafor", "Tomasz", "Wisniewski"} & set(
            whole.replace(".", "").split()
        )
        assert "order 20260114 on Monday; he wrote to <EMAIL_ADDRESS>." in whole
        for pieces in (list(ANSWER), [ANSWER[:90], ANSWER[90:]], re.findall(r"\s*\S+", ANSWER)):
            assert await said(pieces) == whole

    with_detectors(work)


def test_names_off_asks_no_process() -> None:
    async def work(detectors: Detectors) -> None:
        assert await detectors.detector().find(["Ivana Petrov"], "en", "off", 60) == [[]]
        assert not detectors.ready()

    with_detectors(work)


def test_presidio_starts_for_the_policy_that_enables_it_and_opens_no_socket() -> None:
    async def work(detectors: Detectors) -> None:
        detector = detectors.detector(("UsSsnRecognizer", "EmailRecognizer", "UrlRecognizer"))
        text = "Ivana Petrov, ssn 536-90-4399, ivana@corp.example.com"
        (found,) = await detector.find([text], "en", "balanced", 60)
        kinds = {(e.kind, text[e.start : e.end]) for e in found}
        assert {
            ("PERSON", "Ivana Petrov"),
            ("US_SSN", "536-90-4399"),
            ("EMAIL_ADDRESS", "ivana@corp.example.com"),
        } <= kinds
        for child in psutil.Process().children():
            assert not child.net_connections()

    with_detectors(work)


def test_a_recognizer_that_does_not_exist_fails_its_request_and_no_other() -> None:
    async def work(detectors: Detectors) -> None:
        for name in ("NoSuchRecognizer", "spacy:no_such_pipeline"):
            with pytest.raises(DetectorDown):
                await detectors.detector((name,)).find(["Ivana Petrov"], "en", "balanced", 60)
        (found,) = await detectors.detector(("UsSsnRecognizer",)).find(["ssn 536-90-4399"], "en", "off", 60)
        assert [e.kind for e in found] == ["US_SSN"]

    with_detectors(work)


def test_a_policy_that_comes_later_is_ready_after_another_start() -> None:
    async def work(detectors: Detectors) -> None:
        detectors.start()
        detector = await asyncio.to_thread(detectors.detector, ("UsSsnRecognizer",))
        assert not detectors.ready()
        detectors.start()
        await detector.find(["Ivana Petrov"], "en", "balanced", 60)
        await detectors.detector().find(["Ivana Petrov"], "en", "balanced", 60)
        assert detectors.ready()

    with_detectors(work)
