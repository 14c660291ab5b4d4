"""Support resolution drafting: a draft from the knowledge base, held for a person unless a certificate lets it pass."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import StringConstraints

from automations.connectors.outbox import outbox
from automations.connectors.places import row_sources, signed_hook
from automations.connectors.smtp import Letter
from automations.flow.automation import Automation, Limits
from automations.flow.run import Run
from automations.flow.signals import Finished
from automations.prompts import Shape, messages, model_name
from automations.retrieval.index import KnowledgeBase
from automations.support.citing import Source, cited, marked, unmarked

PROMPT: Final = "support-draft@1"
_MOST_CHARS: Final = 12_000  # of a ticket, so that what was found stands in the prompt as well
_MOST_SUBJECT: Final = 500
_ARTICLES: Final = Path(__file__).with_name("articles")

Address = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,64}@[A-Za-z0-9.-]{1,255}$")]


class Ticket(Shape):
    """A question of a customer."""

    id: str
    customer: Address
    text: str
    subject: str = ""
    message_id: str | None = None


class Found(Shape):
    """What the knowledge base has to say."""

    sources: tuple[Source, ...]


class Reply(Shape):
    """The letter as it goes out. Its reader is who asked; nothing a model writes can change that."""

    to: str
    subject: str
    text: str
    in_reply_to: str | None
    sources: tuple[str, ...]


def support(environ: Mapping[str, str]) -> Automation:
    """Build the automation; its how-to page lists the variables that it reads."""
    knowledge = KnowledgeBase(Path(environ.get("SUPPORT_ARTICLES") or _ARTICLES))
    embedding = environ.get("SUPPORT_EMBEDDING_MODEL")
    letters = outbox(environ, "SUPPORT")
    made = Automation(
        "support-drafting",
        Ticket,
        key=lambda ticket: ticket.id,
        subject=lambda ticket: ticket.customer,
        limits=Limits(concurrency=4, deadline_s=7 * 24 * 3600),
        sources=row_sources(environ, "SUPPORT", Ticket),
        hook=signed_hook(environ, "SUPPORT_HOOK_SECRET", lambda _identity, sent: [Ticket.model_validate(sent)]),
    )

    @made.retrieve()
    def look_up(run: Run[Ticket], ticket: Ticket) -> Found:
        embed = (lambda texts: run.embed(embedding, texts)) if embedding else None
        question = f"{ticket.subject}\n{ticket.text}".strip()
        hits = [hit.passage for hit in knowledge.retrieve(run, question, 3, embed)]
        return Found(sources=tuple(Source(each.id, each.title, each.text) for each in hits))

    @made.prompt(PROMPT, timeout_s=120)
    def draft(run: Run[Ticket], found: Found) -> str:
        """Draft from what was found; without anything a person answers."""
        if not found.sources:
            raise Finished("nothing_found")
        words = f"Ticket:\n{unmarked(run.input.text[:_MOST_CHARS])}\n\nContext:\n{marked(found.sources)}"
        return run.ask(model_name(environ), messages(PROMPT, words, environ), temperature=0.3, logprobs=True)

    @made.decide()
    def address(run: Run[Ticket], text: str) -> Reply:
        """Take the marks out, name the sources below, and address it to who asked."""
        sources = run.of(look_up).sources
        used = cited(text, sources)
        run.note("retrieval.cited", ids=list(used.ids), unknown=used.unknown)
        titles = dict.fromkeys(each.title for each in sources if each.id in used.ids)
        below = "\n\nSources: " + "; ".join(titles) if titles else ""
        subject = " ".join(run.input.subject.split())[:_MOST_SUBJECT] or "Your question"
        return Reply(
            to=run.input.customer,
            subject=subject if subject.lower().startswith("re:") else f"Re: {subject}",
            text=used.text + below,
            in_reply_to=run.input.message_id,
            sources=used.ids,
        )

    @made.dispatch("send_reply", key=lambda ticket: ticket.id, takes_key=letters.takes_key, timeout_s=60)
    def send(run: Run[Ticket], reply: Reply) -> str:
        letter = Letter(reply.to, reply.subject, reply.text, reply.in_reply_to)
        return letters.send(letter, run.action_key)

    return made


AUTOMATION: Final = support(os.environ)
