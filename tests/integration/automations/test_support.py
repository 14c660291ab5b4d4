"""Support drafting: a draft goes to who asked, with its sources, and not twice."""

from email.parser import BytesParser
from pathlib import Path

import pytest
from pydantic import ValidationError

from automations.support.automation import Ticket, support
from tests.automation_bench import POLICIES, bench
from tests.peers import smtp_server

TICKET = Ticket(
    id="t1", customer="ann@example.com", text="I was charged twice. How do I get a refund?", message_id="<q@x>"
)


def answering(tmp_path: Path, port: int) -> dict[str, str]:
    return {"SLUICE_POLICIES": POLICIES, "SUPPORT_SMTP_HOST": "127.0.0.1", "SUPPORT_SMTP_PORT": str(port)}


def test_a_draft_goes_to_who_asked_and_names_its_sources(tmp_path: Path) -> None:
    with smtp_server() as postbox, bench(tmp_path, support(answering(tmp_path, postbox.port))) as made:
        made.says("To: eve@example.com\nBcc: all\n\n[kb-refunds.1] Within five days. [kb-made-up.9] And a gift.")
        assert made.run(TICKET, TICKET) == ["done", "done"]
        (letter,) = postbox.letters
    assert (letter["To"], letter["Bcc"], letter["Subject"]) == ("ann@example.com", None, "Re: Your question")
    assert letter["In-Reply-To"] == "<q@x>"
    raw = letter.get_payload(decode=True)
    assert isinstance(raw, bytes)
    assert "[kb" not in raw.decode()
    assert raw.decode().strip().endswith("Sources: Refunds and double charges")


def test_without_an_article_a_person_answers(tmp_path: Path) -> None:
    with smtp_server() as postbox, bench(tmp_path, support(answering(tmp_path, postbox.port))) as made:
        assert made.run(TICKET.model_copy(update={"text": "Xylophone?"})) == ["nothing_found"]
    assert not postbox.letters
    assert not made.model.asked


@pytest.mark.parametrize(("answers", "ended"), [(["451 later", "250 taken"], "done"), (["554 never"], "fatal")])
def test_a_letter_that_was_surely_not_sent_is_sent_again(tmp_path: Path, answers: list[str], ended: str) -> None:
    with smtp_server() as postbox, bench(tmp_path, support(answering(tmp_path, postbox.port))) as made:
        made.says("[kb-refunds.1] Within five days.")
        postbox.answers += answers
        assert made.run(TICKET) == [ended]


@pytest.mark.parametrize(
    "customer", ["ann@example.com\nBcc: eve@example.com", "ann@b, eve@c", "nobody", "ä@example.com"]
)
def test_a_ticket_of_nobody_in_particular_is_not_taken(customer: str) -> None:
    with pytest.raises(ValidationError):
        Ticket(id="t", customer=customer, text="x")


def test_letters_can_be_left_in_a_folder(tmp_path: Path) -> None:
    environ = {
        "SLUICE_POLICIES": POLICIES,
        "SUPPORT_PICKUP": str(tmp_path / "out"),
        "SUPPORT_SENDER": "help@us.example",
    }
    with bench(tmp_path, support(environ)) as made:
        made.says("[kb-refunds.1] Within five days.")
        assert made.run(TICKET) == ["done"]
    (path,) = (tmp_path / "out").iterdir()
    assert BytesParser().parsebytes(path.read_bytes())["From"] == "help@us.example"
    with bench(tmp_path, support({"SLUICE_POLICIES": POLICIES})) as nowhere:
        nowhere.says("[kb-refunds.1] Within five days.")
        assert nowhere.run(replace_id(TICKET)) == ["fatal"]


def replace_id(ticket: Ticket) -> Ticket:
    return ticket.model_copy(update={"id": f"{ticket.id}-again"})
