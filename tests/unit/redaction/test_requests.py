"""Requests: every string on every site, by the policy's rules, and nothing else changes."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redaction.aside import check, is_long, within
from redaction.detect import WordDetector
from redaction.redactor import Redactor
from redaction.resolve import resolve
from redaction.types import Blocked, Entity, RedactionFailed, TimedOut, Unsearchable, Vault
from tests.unit.redaction.conftest import KEY, chat, clear, cleared_text, make, whole

MAIL = "john@example.com"
MARK = "[EMAIL_"


def bodies() -> list[tuple[str, dict[str, Any]]]:
    text = f"ask {MAIL} now"
    tool = {
        "name": "send",
        "description": text,
        "parameters": {"type": "object", "properties": {"to": {"type": "string", "default": MAIL, "enum": [MAIL]}}},
    }
    call = {"id": "call_1", "type": "function", "function": {"name": "send", "arguments": json.dumps({"to": MAIL})}}
    messages: dict[str, dict[str, Any]] = {
        "user": {"role": "user", "content": text},
        "part": {"role": "user", "content": [{"type": "text", "text": text}]},
        "system": {"role": "system", "content": text},
        "developer": {"role": "developer", "content": text},
        "assistant": {"role": "assistant", "content": text},
        "tool call": {"role": "assistant", "tool_calls": [call]},
        "tool result": {"role": "tool", "tool_call_id": "call_1", "content": json.dumps([{"mail": MAIL}])},
        "name": {"role": "user", "name": MAIL, "content": "hi"},
        "refusal": {"role": "assistant", "content": [{"type": "refusal", "refusal": text}]},
        "unknown part": {"role": "user", "content": [{"type": "new_part", "stuff": {"deep": [text]}}]},
    }
    others: dict[str, dict[str, Any]] = {
        "tools": {"tools": [{"type": "function", "function": tool}]},
        "functions": {"functions": [tool]},
        "user field": {"user": MAIL},
        "metadata": {"metadata": {"who": MAIL}},
        "schema": {
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"description": text}}}
        },
        "prediction": {"prediction": {"type": "content", "content": text}},
        "stop": {"stop": [text]},
        "unknown key": {"session_note": text},
        "unknown tree": {"extra": {"list": [{"x": [text]}]}},
        "key": {"extra": {MAIL: 1}},
        "top key": {MAIL: 1},
        "prompt": {"prompt": text},
        "prompts": {"prompt": [text, "b"]},
        "input": {"input": text},
        "inputs": {"input": [text]},
        "instructions": {"instructions": text},
        "response items": {
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}]
        },
        "call output": {
            "input": [{"type": "function_call_output", "call_id": "c", "output": json.dumps({"mail": MAIL})}]
        },
    }
    return [(name, {"messages": [message]}) for name, message in messages.items()] + list(others.items())


@pytest.mark.parametrize(("name", "body"), bodies())
def test_every_site_is_cleared_and_comes_back(redactor: Redactor, name: str, body: dict[str, Any]) -> None:
    before = json.dumps(body)
    cleared = clear(redactor, body)
    sent = json.dumps(cleared.body)
    assert MAIL not in sent
    assert MARK in sent
    assert list(cleared.vault.values.values()) == [MAIL]
    assert json.dumps(body) == before


def test_unchanged_parts_stay_the_same_objects(redactor: Redactor) -> None:
    body = {
        "model": "gpt-5",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": f"I am {MAIL}"}],
        "seed": 4111111111111111,
    }
    cleared = clear(redactor, body).body
    assert cleared["messages"][0] is body["messages"][0]  # type: ignore[index]
    assert cleared["seed"] == body["seed"]
    assert clear(redactor, chat("Nothing to see.")).body == chat("Nothing to see.")


def test_words_of_the_protocol_are_left(redactor: Redactor) -> None:
    body = {
        "model": "ft:gpt-4o:acme::7p4lURel",
        "tool_choice": "auto",
        "messages": [{"role": "tool", "tool_call_id": "call_415-555-0132", "content": "ok"}],
    }
    assert clear(redactor, body).body is body


def test_json_in_strings_stays_valid_and_numbers_become_strings(redactor: Redactor) -> None:
    arguments = '{"card": 4111111111111111, "cvv": "123", "note": "a\\nb", "price": 12.50}'
    body = {
        "messages": [
            {
                "role": "assistant",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}],
            }
        ]
    }
    cleared = clear(redactor, body)
    parsed = json.loads(cleared.body["messages"][0]["tool_calls"][0]["function"]["arguments"])
    assert parsed["card"].startswith("[CARD_")
    assert parsed["cvv"].startswith("[CARD_CVV_")
    assert (parsed["note"], parsed["price"]) == ("a\nb", 12.5)


def test_json_with_a_key_twice_hides_nothing(redactor: Redactor) -> None:
    body = {"messages": [{"role": "tool", "tool_call_id": "c", "content": f'{{"a": "{MAIL}", "a": "x"}}'}]}
    assert MAIL not in json.dumps(clear(redactor, body).body)


def test_field_names_say_what_their_values_are(redactor: Redactor) -> None:
    data = {
        "phone": "5551234567",
        "ssn": "914276083",
        "dbPassword": "hunter2",
        "cardNumber": "4111111111111112",
        "orderNumber": "5551234567",
    }
    cleared = clear(redactor, {"metadata": data}).body["metadata"]
    assert {key for key, value in cleared.items() if value.startswith("[")} == {
        "phone",
        "ssn",
        "dbPassword",
        "cardNumber",
    }


def test_a_value_split_over_text_parts_is_found(redactor: Redactor) -> None:
    parts = [
        {"type": "text", "text": "I am john@exa"},
        {"type": "text", "text": "mple.com, card 4111 1111"},
        {"type": "text", "text": " 1111 1111."},
    ]
    cleared = clear(redactor, {"messages": [{"role": "user", "content": parts}]})
    texts = [part["text"] for part in cleared.body["messages"][0]["content"]]
    assert "".join(texts).count("[") == 2
    assert sorted(cleared.vault.values.values()) == ["4111 1111 1111 1111", MAIL]
    assert texts[2] == "."


def test_media_passes_byte_for_byte_and_can_be_refused(redactor: Redactor) -> None:
    url = "data:image/png;base64," + "iVBORw0KGgo" * 40
    image = {
        "role": "user",
        "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": url}}],
    }
    audio = {
        "role": "user",
        "content": [{"type": "input_audio", "input_audio": {"data": "UklGRiQ" * 40, "format": "wav"}}],
    }
    body = {"messages": [image, audio]}
    cleared = clear(redactor, body)
    assert cleared.body is body
    assert len(cleared.media) == 2
    with pytest.raises(Blocked):
        clear(make(media="block"), body)


def test_text_that_only_begins_like_media_is_read(redactor: Redactor) -> None:
    for value in (f"data: my mail is {MAIL} " * 5, f"data:text/plain;base64,{MAIL}" * 5):
        body = {
            "messages": [{"role": "user", "content": [{"type": "text", "text": value}]}],
            "extra": {"data": value, "url": value},
        }
        assert MAIL not in json.dumps(clear(redactor, body).body)


def test_token_numbers_are_refused(redactor: Redactor) -> None:
    for value in ([1, 2, 3], [[1, 2], [3]]):
        with pytest.raises(RedactionFailed, match="token numbers"):
            clear(redactor, {"input": value})


def test_deep_nesting_is_refused(redactor: Redactor) -> None:
    tree: Any = "x"
    for _ in range(200):
        tree = [tree]
    with pytest.raises(RedactionFailed):
        clear(redactor, {"extra": tree})


def test_operators() -> None:
    rules = {
        "EMAIL_ADDRESS": {"operator": "replace", "with": "<MAIL>"},
        "CREDIT_CARD": {"operator": "mask", "keep_last": 4},
        "PHONE_NUMBER": {"operator": "hash"},
        "US_SSN": {"operator": "keep"},
        "IP_ADDRESS": {"operator": "pseudonym", "enforce": "observe"},
    }
    acting = make(request=rules)
    text = cleared_text(acting, f"{MAIL} 4111 1111 1111 1111 +49 30 901820, 123-45-6789 10.0.0.1")
    assert text.startswith("<MAIL> ***************1111 <PHONE_NUMBER:")
    assert text.endswith(">, 123-45-6789 10.0.0.1")
    actions = {finding.kind: finding.action for finding in clear(acting, chat("123-45-6789 10.0.0.1")).findings}
    assert actions == {"US_SSN": "keep", "IP_ADDRESS": "observe"}
    with pytest.raises(Blocked) as refused:
        clear(make(request={"secrets": {"operator": "block"}}), chat("AKIA" + "QWERTY12345ASDFG"))
    assert (refused.value.kind, refused.value.site) == ("AWS_ACCESS_KEY", "user")


def test_a_kind_beats_its_group_and_a_site_beats_the_request() -> None:
    own = make(
        request={"contact": {"operator": "keep"}, "EMAIL_ADDRESS": {"operator": "replace"}},
        sites={"system": {"contact": {"operator": "keep"}}},
    )
    body = {"messages": [{"role": "system", "content": MAIL}, {"role": "user", "content": f"{MAIL} +49 30 901820"}]}
    messages = clear(own, body).body["messages"]
    assert [message["content"] for message in messages] == [MAIL, "<EMAIL_ADDRESS> +49 30 901820"]


def test_rules_for_a_country_act_on_the_general_kind() -> None:
    own = make(request={"US_PASSPORT": {"operator": "replace", "with": "<PASS>"}})
    assert cleared_text(own, "passport C01X00T47") == "passport <PASS>"


def test_allow_and_deny_lists() -> None:
    own = make(allow=["help@example.com"], deny={"ORGANIZATION": ["Project Falcon"]})
    text = cleared_text(own, "help@example.com about Project Falcon and project falcon")
    assert text.startswith("help@example.com about [ORG_")
    assert "alcon" not in text
    assert (
        whole(own, clear(own, chat("x")).vault, "say Project Falcon to help@example.com")[0]
        == "say <ORGANIZATION> to help@example.com"
    )


def test_nothing_inside_of_an_allowed_value_is_redacted() -> None:
    own = make(allow=["+1 800 555 0100", "help@example.com"])
    assert cleared_text(own, "call +1 800 555 0100") == "call +1 800 555 0100"
    assert "HELP@example.com" in cleared_text(own, "to HELP@example.com or me@example.com")
    assert "help@example" not in cleared_text(own, "to nohelp@example.com or help@example.com.evil.example")
    assert "0100" not in cleared_text(own, "call +1 800 555 01009")


def test_custom_recognizers_and_profiles_act_without_a_rule() -> None:
    badge = {"kind": "BADGE", "pattern": r"ACME-\d{4,}", "examples": {"match": ["ACME-12345"], "no_match": ["ACME"]}}
    own = make(request={}, answer={}, recognizers=[badge], profiles=["pci"])
    assert cleared_text(own, f"ACME-123456 {MAIL} 4111 1111 1111 1111").startswith("[BADGE_")
    assert whole(own, clear(own, chat("x")).vault, "badge ACME-123456, ok")[0] == "badge <BADGE>, ok"


def test_dates_are_left_unless_a_policy_speaks_of_them(redactor: Redactor) -> None:
    text = "admitted on March 3, 2024, discharged 2024-03-09."
    assert cleared_text(redactor, text) == text
    assert cleared_text(make(profiles=["hipaa_safe_harbor"], request={}), text).count("[DATE_TIME_") == 2
    assert whole(make(answer={"DATE_TIME": {"operator": "replace"}}), Vault(), text)[0].count("<DATE_TIME>") == 2


def test_the_same_value_has_the_same_placeholder_everywhere(redactor: Redactor) -> None:
    again = make()
    texts = {cleared_text(redactor, f"hi {MAIL}"), cleared_text(again, f"hi {MAIL}")}
    assert len(texts) == 1
    other = Redactor.__new__(Redactor)
    other.__init__(again._block, b"another tenant's key of 32 bytes")  # type: ignore[misc]
    assert cleared_text(other, f"hi {MAIL}") not in texts


def test_a_placeholder_typed_by_the_caller_never_becomes_a_value(redactor: Redactor) -> None:
    mark = cleared_text(redactor, MAIL)
    cleared = clear(redactor, chat(f"{MAIL} typed {mark}"))
    content = cleared.body["messages"][0]["content"]
    assert content.endswith(f"typed {mark}")
    assert not content.startswith(mark)
    assert whole(redactor, cleared.vault, content)[1] == f"{MAIL} typed {mark}"


def test_values_of_the_stored_conversation_are_restored_too(redactor: Redactor) -> None:
    first = clear(redactor, chat(f"I am {MAIL}")).vault
    mark = next(iter(first.values))
    body = chat(f"write to {mark} again, I am {MAIL}")
    cleared = asyncio.run(redactor.clear(body, "responses", first.values))
    assert cleared.body["messages"][0]["content"] == f"write to {mark} again, I am {mark}"
    assert whole(redactor, cleared.vault, f"sent to {mark}")[1] == f"sent to {MAIL}"


def test_index_entries_do_not_depend_on_how_a_value_is_written(redactor: Redactor) -> None:
    one, other = (clear(redactor, chat(text)).vault.hmacs for text in ("4111 1111 1111 1111", "4111-1111-1111-1111"))
    assert one == other
    assert "4111" not in one[0].hmac or len(one[0].hmac) == 32


def test_labels_are_cleared_and_never_refused() -> None:
    assert make(request={"contact": {"operator": "block"}}).clear_label(f"run of {MAIL}") == "<EMAIL_ADDRESS>"


@given(st.text(max_size=200))
def test_whatever_is_cleared_comes_back_byte_for_byte(redactor: Redactor, text: str) -> None:
    text = f"{text} {MAIL} 4111 1111 1111 1111 {text}"
    cleared = clear(redactor, chat(text))
    sent = cleared.body["messages"][0]["content"]
    assert MAIL not in sent
    assert whole(redactor, cleared.vault, sent)[1] == text


def naming(words: WordDetector, **block: Any) -> Redactor:
    return Redactor(make(names="balanced", **block)._block, KEY, words)


def test_names_of_the_detector_are_replaced_and_spread_over_all_texts() -> None:
    words = WordDetector({"Maria Schmidt": "PERSON"})
    body = {
        "messages": [
            {"role": "system", "content": "Help the customer."},
            {"role": "user", "content": "Maria Schmidt wrote."},
        ]
    }
    own = naming(words)
    first = asyncio.run(own.clear(body, "chat.completions"))
    assert first.body["messages"][1]["content"].startswith("[PERSON_")
    asyncio.run(
        own.clear({"messages": [*body["messages"], {"role": "user", "content": "And now?"}]}, "chat.completions")
    )
    assert words.asked[1] == ["And now?"]


def test_names_are_not_looked_for_in_identifiers_but_values_are() -> None:
    words = WordDetector({})
    properties = {"order_2_city": {"type": "string"}, "Maria Schmidt 2": {"type": "string"}, IBAN: {"type": "string"}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": properties}}}
    cleared = asyncio.run(naming(words).clear({"messages": [], "tools": [tool]}, "chat.completions"))
    assert "order_2_city" not in words.asked[0]
    assert "Maria Schmidt 2" in words.asked[0]
    assert IBAN not in json.dumps(cleared.body)


@pytest.mark.parametrize("words", [WordDetector({}, down=True), WordDetector({}, delay_s=5)])
def test_a_failing_detector_blocks_or_passes_as_the_policy_says(words: WordDetector) -> None:
    with pytest.raises(RedactionFailed):
        asyncio.run(naming(words, timeout_ms=20).clear(chat("Maria"), "chat.completions"))
    passing = naming(words, timeout_ms=20, on_failure="pass")
    assert asyncio.run(passing.clear(chat("Maria"), "chat.completions")).body == chat("Maria")


def test_more_text_than_names_can_be_looked_for_in_is_refused_with_the_limit() -> None:
    slow = naming(WordDetector({}, delay_s=5), timeout_ms=20)
    with pytest.raises(Unsearchable, match=r"longer than the 0\.02 s"):
        asyncio.run(slow.clear(chat("Maria " * 2_000), "chat.completions"))


IBAN = "DE89370400440532013000"


@pytest.mark.parametrize(
    "key", ["id", "tool_call_id", "status", "object", "file_id", "previous_response_id", "voice", "detail"]
)
def test_a_value_cannot_hide_in_an_identifier(key: str) -> None:
    cleared = clear(make(), {"model": "m", "messages": [{"role": "user", "content": "hi", key: IBAN}]})
    assert IBAN not in json.dumps(cleared.body)


def test_a_value_cannot_hide_in_the_name_of_the_model() -> None:
    cleared = clear(make(), {"model": IBAN, "messages": []})
    assert IBAN not in json.dumps(cleared.body)


IDENTIFIERS = (
    "call_9hX2kLmN0pQrStUvWxYz1234",
    "chatcmpl-0660db37321ee6e7a01583d4a4371d",
    "gpt-4o-2024-08-06",
    "ft:gpt-4o-mini:acme::9abC12",
    "file-6F2ksmvXxt4VdoqmHRw6kL",
    "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
    "toolu_01A09q90qw90lq917835lq9",
)


@pytest.mark.parametrize("word", IDENTIFIERS)
def test_identifiers_of_the_protocol_stay_as_they_are(word: str) -> None:
    body = {"model": word, "messages": [{"role": "tool", "tool_call_id": word, "content": "ok"}]}
    assert clear(make(), body).body == body


@pytest.mark.parametrize("number", [4242424242424242, 5555555555554444.0])
def test_a_card_written_as_a_number_is_a_card(number: float) -> None:
    part = {"type": "text", "text": "hi", "card": number}
    message = {"role": "user", "content": [part]}
    for body in ({"model": "m", "messages": [message]}, {"model": "m", "card": number}):
        assert str(int(number)) not in json.dumps(clear(make(), body).body)


def test_a_blocked_kind_blocks_also_where_a_name_is_guessed_over_it() -> None:

    found = [Entity("LOCATION", 0, 24, 0.99, "names.address"), Entity("CREDIT_CARD", 5, 24, 0.95, "card")]
    beside, card = resolve(found, "Acme 4111 1111 1111 1111")
    assert (beside.kind, beside.start, beside.end) == ("LOCATION", 0, 4)
    assert (card.kind, card.start, card.end) == ("CREDIT_CARD", 5, 24)


LONG = "\n".join(f"ask user{n}@example.com about 4111 1111 1111 {n:04}" for n in range(600))


def test_a_long_request_is_cleared_like_a_short_one_while_others_go_on(redactor: Redactor) -> None:
    async def main() -> tuple[str, int]:
        clearing = asyncio.create_task(redactor.clear(chat(LONG), "chat.completions"))
        turns = 0
        while not clearing.done():
            await asyncio.sleep(0)
            turns += 1
        return (await clearing).body["messages"][0]["content"], turns

    text, turns = asyncio.run(main())
    assert text.split("\n") == [cleared_text(redactor, line) for line in LONG.split("\n")]
    assert turns > 3  # one that is cleared on the event loop takes two


def test_a_request_that_takes_too_long_is_refused() -> None:
    with pytest.raises(RedactionFailed):
        clear(make(timeout_ms=1), chat(LONG * 10))


def test_work_that_is_too_much_by_itself_says_the_limit_and_work_that_waited_may_be_tried_again() -> None:
    def late() -> None:
        check(0.0)

    with pytest.raises(Unsearchable, match=r"longer than the 0 s that the policy allows"):
        within(0.0, late)
    with pytest.raises(TimedOut):
        within(60.0, late)


FIELDS = [f"field_{n}" for n in range(300)]
PLANTED = st.sampled_from(
    ["john@example.com", "4111111111111111", "j o h n @ e x . c o m", "am9obkBleGFtcGxlLmNvbQ==", "%6aohn@example.com"]
)


@settings(max_examples=25)
@given(st.dictionaries(st.sampled_from(FIELDS), st.tuples(st.sampled_from(["password", "note", "iban"]), PLANTED)))
def test_values_among_thousands_of_short_texts_are_found_as_in_a_short_request(planted: dict[str, Any]) -> None:
    redactor = make()

    def asked(names: list[str]) -> dict[str, Any]:
        fields = {name: {"type": "string", "description": f"What {name} is."} for name in names}
        for name, (hint, value) in planted.items():
            if name in fields:
                fields[name] |= {hint: value}
        return {"model": "gpt-5", "extra": fields}

    assert is_long(asked(FIELDS))
    whole = clear(redactor, asked(FIELDS)).body["extra"]
    for name in planted:
        assert whole[name] == clear(redactor, asked([name])).body["extra"][name]
        assert planted[name][1] not in whole[name].values()


def test_thousands_of_parts_are_looked_at_once(redactor: Redactor) -> None:
    texts = [f"{n} ask user{n}@exam" if n % 2 else f"ple.com, user{n}@example.com " for n in range(2_000)]
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": text} for text in texts]}]}
    parts = clear(redactor, body).body["messages"][0]["content"]
    assert not [part for part in parts[1:-1] if "user" in part["text"] or "ple.com" in part["text"]]
