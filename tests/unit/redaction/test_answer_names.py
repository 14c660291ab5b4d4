"""Names in answers: found within a window, the same for every way of cutting, and looked for in what follows only."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.blocks_redaction import Redaction
from redaction.detect import WordDetector
from redaction.redactor import Redactor
from redaction.types import Cleared, RedactionFailed, Vault
from redaction.windows import Windows
from tests.unit.redaction.conftest import FINISH, KEY, chat, clear, delta

WORDS = {"Ada Lovelace": "PERSON", "Berg": "PERSON", "Oslo": "LOCATION", "René": "PERSON", "Dr. Smith": "PERSON"}


def looking(detector: WordDetector | None = None, **block: Any) -> Redactor:
    rules = {"answer_names": "balanced", "window_chars": 60, **block}
    return Redactor(Redaction.model_validate(rules), KEY, detector or WordDetector(WORDS))


def streamed(redactor: Redactor, vault: Vault, pieces: Sequence[str], field: str = "content") -> tuple[str, str]:
    async def run() -> list[Any]:
        screen = redactor.screen(vault, "chat.completions")
        bodies: list[Any] = []
        for event in (*(delta(piece, field) for piece in pieces), FINISH):
            await screen.hear([event], ended=False)
            bodies += screen.chunk(event)
        await screen.hear([], ended=True)
        return [*bodies, *screen.close()]

    bodies = asyncio.run(run())
    texts = [
        [getattr(body, side)["choices"][0]["delta"].get(field, "") for body in bodies] for side in ("clean", "reply")
    ]
    return "".join(texts[0]), "".join(texts[1])


def whole(redactor: Redactor, vault: Vault, text: str, field: str = "content") -> tuple[str, str]:
    async def run() -> Any:
        screen = redactor.screen(vault, "chat.completions")
        body = {"choices": [{"index": 0, "message": {"role": "assistant", field: text}, "finish_reason": "stop"}]}
        await screen.hear_whole(body)
        return screen.whole(body)

    screened = asyncio.run(run())
    return screened.clean["choices"][0]["message"][field], screened.reply["choices"][0]["message"][field]


def test_names_are_replaced_in_answers() -> None:
    text = "Please ask Ada Lovelace in Oslo (ada@example.com)."
    expected = "Please ask <PERSON> in <LOCATION> (<EMAIL_ADDRESS>)."
    assert whole(looking(), Vault(), text)[0] == expected
    assert streamed(looking(), Vault(), list(text))[0] == expected


def test_allowed_names_stay_in_requests_and_answers() -> None:
    redactor = looking(names="balanced", allow=["Ada Lovelace"])
    text = asyncio.run(redactor.clear_text("Ada Lovelace met Berg")).body["text"]
    assert text.startswith("Ada Lovelace met [PERSON_")
    assert whole(redactor, Vault(), "Ada Lovelace met Berg")[0] == "Ada Lovelace met <PERSON>"


def test_without_the_key_answers_keep_their_names() -> None:
    quiet = looking(answer_names="off", window_chars=None, names="balanced")
    assert whole(quiet, Vault(), "Ada Lovelace") == ("Ada Lovelace", "Ada Lovelace")


def test_a_name_found_is_looked_for_in_what_follows_and_not_before() -> None:
    class Once(WordDetector):
        async def find(self, texts: Sequence[str], language: str, level: str, deadline_s: float) -> Any:
            found = await super().find(texts, language, level, deadline_s)
            return found if "This is" in texts[0] else [[] for _ in texts]

    redactor = looking(Once({"Quill Marsh": "PERSON"}))
    text = (
        "Quill Marsh came early in the day.\nThis is Quill Marsh.\n"
        + "Then there was a long pause. " * 6
        + "\nQuill Marsh left."
    )
    clean, _ = whole(redactor, Vault(), text)
    assert clean.startswith("Quill Marsh came")
    assert clean.endswith("<PERSON> left.")
    assert clean.count("<PERSON>") == 2


def cleared(redactor: Redactor) -> Cleared:
    return clear(redactor, chat("I am ada@example.com"))


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(
            [
                *WORDS,
                " ",
                ". ",
                "\n",
                ", ",
                "a long word ",
                "x" * 30,
                "4111 1111 1111 1111",
                "Dr. ",
                "\\n",
                "&amp;",
                "MARK",
            ]
        ),
        max_size=25,
    ),
    st.lists(st.integers(0, 300), max_size=6),
    st.sampled_from(["content", "reasoning_content", "sibling"]),
)
def test_every_way_of_cutting_gives_the_text_of_the_whole_answer(words: list[str], cuts: list[int], field: str) -> None:
    redactor = looking(request={"contact": {"operator": "pseudonym"}})
    vault = cleared(redactor).vault
    text = "".join(words).replace("MARK", next(iter(vault.values)))
    places = sorted({min(cut, len(text)) for cut in cuts})
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    expected = whole(redactor, vault, text, field)
    assert streamed(redactor, vault, pieces, field) == expected
    assert streamed(redactor, vault, list(text), field) == expected
    assert not any(name in expected[0] for name in ("Ada Lovelace", "Oslo", "René"))


def test_placeholders_survive_beside_names() -> None:
    redactor = looking(request={"contact": {"operator": "pseudonym"}})
    vault = cleared(redactor).vault
    mark = next(iter(vault.values))
    assert whole(redactor, vault, f"Ada Lovelace <{mark}>")[1] == "<PERSON> <ada@example.com>"


def test_tool_arguments_stay_json_and_lose_their_names() -> None:
    source = '{"to": "Ada Lovelace\\nBerg \\"x\\" Ren\\u00e9", "city": "Oslo"}'
    body = {"choices": [{"index": 0, "message": {"tool_calls": [{"function": {"name": "f", "arguments": source}}]}}]}

    async def run() -> Any:
        screen = looking().screen(Vault(), "chat.completions")
        await screen.hear_whole(body)
        return screen.whole(body).clean["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]

    assert asyncio.run(run()) == '{"to": "<PERSON>\\n<PERSON> \\"x\\" <PERSON>", "city": "<LOCATION>"}'


def test_a_detector_that_is_down_shows_nothing_unless_the_policy_lets_it() -> None:
    with pytest.raises(RedactionFailed):
        whole(looking(WordDetector({}, down=True)), Vault(), "Ada Lovelace")
    passing = looking(WordDetector({}, down=True), on_failure="pass")
    assert whole(passing, Vault(), "Ada Lovelace")[0] == "Ada Lovelace"


def test_text_that_nobody_listened_to_is_not_shown() -> None:
    screen = looking().screen(Vault(), "chat.completions")
    with pytest.raises(RedactionFailed):
        screen.whole({"choices": [{"index": 0, "message": {"content": "Ada Lovelace"}}]})


@given(st.text(alphabet="ab .!\nMDr", max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_windows_are_fixed_by_the_text_alone(text: str, cuts: list[int]) -> None:
    def cut(pieces: Sequence[str]) -> list[tuple[str, str, int]]:
        windows = Windows(40)
        made = [window for piece in pieces for window in windows.feed(piece)] + list(windows.close())
        return [(window.before, window.text, window.at) for window in made]

    places = sorted({min(cut, len(text)) for cut in cuts})
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    assert cut(pieces) == cut([text]) == cut(list(text))
    assert "".join(window for _, window, _ in cut([text])) == text
    assert all(len(window) <= 40 for _, window, _ in cut([text]))
