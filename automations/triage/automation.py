"""Inbound triage: reads mail or webhooks, sorts them, and puts a ticket into one of our queues."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from automations.connectors.api import Api
from automations.connectors.api_file import read_api
from automations.connectors.mail import MAX_CHARS, Mail
from automations.connectors.places import mail_sources, signed_hook
from automations.flow.automation import Automation, Limits
from automations.flow.run import Run
from automations.flow.signals import Finished
from automations.prompts import Shape, messages, model_name
from automations.triage.rules import Routing, Sorted, route

PROMPT: Final = "triage-sort@1"


class Ticket(Shape):
    """What the ticket system gets."""

    id: str
    sender: str
    subject: str
    text: str
    routing: Routing
    attachments: tuple[str, ...]
    run: str


def triage(environ: Mapping[str, str]) -> Automation:
    """Build the automation; its how-to page lists the variables that it reads."""
    tickets = Api(read_api(Path(__file__).with_name("tickets.yaml")), environ)
    made = Automation(
        "inbound-triage",
        Mail,
        key=lambda mail: mail.id,
        subject=_person,
        limits=Limits(concurrency=4, deadline_s=24 * 3600),
        sources=mail_sources(environ, "TRIAGE"),
        hook=signed_hook(environ, "TRIAGE_HOOK_SECRET", lambda identity, sent: [_posted(identity, sent)]),
        paced=(tickets,),
    )

    @made.ingest()
    def read(run: Run[Mail], mail: Mail) -> str:
        """Leave aside what nobody wrote, and what says nothing."""
        if mail.automatic:
            raise Finished("automatic")
        words = f"Subject: {mail.subject}\n\n{mail.text}".strip()
        if not (mail.subject.strip() or mail.text.strip() or mail.attachments):
            raise Finished("empty")
        return words

    @made.prompt(PROMPT, timeout_s=60)
    def sort(run: Run[Mail], words: str) -> Sorted:
        return run.ask_for(Sorted, model_name(environ), messages(PROMPT, f"Message:\n{words}", environ), temperature=0)

    @made.decide()
    def decide(run: Run[Mail], said: Sorted) -> Ticket:
        mail = run.input
        names = tuple(each.name for each in mail.attachments)
        kept = {"id": mail.id, "sender": mail.sender, "subject": mail.subject, "text": mail.text}
        return Ticket(**kept, routing=route(mail, said), attachments=names, run=run.id)

    @made.dispatch("put_ticket", key=lambda mail: mail.id, takes_key=True, timeout_s=30)
    def put(run: Run[Mail], ticket: Ticket) -> str:
        tickets.call("put", ticket.model_dump(mode="json"), key=run.action_key, id=ticket.id)
        return ticket.routing.queue

    return made


def _person(mail: Mail) -> str | None:
    """Give whom a message is about: its sender, where that is an address and not a riddle."""
    return mail.sender if re.fullmatch(r"[!-~]{3,320}", mail.sender) else None


def _posted(identity: str, sent: Any) -> Mail:
    """Read a message from a form: `{"from": ..., "subject": ..., "text": ...}`."""
    said = {name: str(sent.get(name) or "") for name in ("from", "subject", "text")}
    return Mail(
        id=f"hook-{identity}",
        message_id="",
        sender=said["from"].lower()[:320],
        sender_name="",
        recipients=(),
        subject=said["subject"][:2000],
        text=said["text"][:MAX_CHARS],
        attachments=(),
        automatic=False,
        truncated=len(said["text"]) > MAX_CHARS,
    )


AUTOMATION: Final = triage(os.environ)
