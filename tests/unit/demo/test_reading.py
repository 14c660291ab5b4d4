"""A request is understood from its words alone."""

import pytest

from demo.provider.reading import find_labels, read


@pytest.mark.parametrize(
    "prompt",
    [
        "Answer with exactly one of: billing, technical, other.",
        "Choose between billing, technical or other",
        "Categories: billing | technical | other",
        "Labels:\n- billing\n- technical: bugs and outages\n- other\n",
        'Reply with one of "billing", "technical", "other".',
    ],
)
def test_a_list_of_labels_is_found(prompt: str) -> None:
    assert find_labels(prompt) == ("billing", "technical", "other")


def test_prose_without_a_list_has_no_labels() -> None:
    assert find_labels("Dear team, I sent the form, the photo and the receipt. What are my options?") == ()


def test_text_context_and_instructions_are_told_apart() -> None:
    understood = read(
        [
            {"role": "system", "content": "Draft a polite reply."},
            {"role": "user", "content": "Ticket:\nWhere is my parcel?\n\nContext:\nParcels take two days."},
        ]
    )
    assert (understood.task, understood.text, understood.context) == (
        "draft",
        "Where is my parcel?",
        "Parcels take two days.",
    )
    assert understood.instructions == "Draft a polite reply."


def test_an_order_in_the_same_line_as_its_text_is_cut_off() -> None:
    understood = read([{"role": "user", "content": "Summarise this: We met on Monday."}])
    assert (understood.task, understood.text) == ("summary", "We met on Monday.")


def test_parts_tool_results_and_missing_content_are_read() -> None:
    understood = read(
        [
            {"role": "user", "content": [{"type": "text", "text": "Where is it?"}, {"type": "image_url"}]},
            {"role": "assistant", "tool_calls": []},
            {"role": "tool", "content": "The parcel is in Cork."},
        ]
    )
    assert (understood.task, understood.text, understood.context) == (
        "answer",
        "Where is it?",
        "The parcel is in Cork.",
    )


def test_the_mail_headers_of_a_message_stay_with_it() -> None:
    understood = read([{"role": "user", "content": "Subject: Broken lamp\nFrom: Ann\n\nThe lamp is broken."}])
    assert understood.text == "Subject: Broken lamp\nFrom: Ann\n\nThe lamp is broken."
