"""Qualification summary: notes of calls and forms become a summary, a score and a next step, posted to the CRM."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from automations.connectors.base import secret
from automations.connectors.places import row_sources, signed_hook
from automations.connectors.webhook import post_webhook
from automations.flow.automation import Automation, Limits
from automations.flow.run import Run
from automations.flow.signals import Finished
from automations.plain import one_spelling, speaks_to_a_model
from automations.prompts import Shape, messages, model_name

PROMPT: Final = "qualify@1"
Line = Annotated[str, StringConstraints(max_length=2000)]
_NO_CALLS: Final = re.compile(
    r"\b(do not|don.?t|never|stop) (call|contact|phone|ring)(ing)?\b|\bunsubscribe\b|\bopt(ed|s)?[ -]out\b"
    r"|\btake (me|us|him|her|them) off\b|\bnicht (mehr )?anrufen\b"
)
_LEAST: Final = {"hot": 60, "warm": 30, "cold": 0}


class Notes(Shape):
    """Notes of one call or form. `opted_out`: this person asked not to be called again."""

    id: str
    notes: str
    account: str | None = None
    opted_out: bool = False


class Qualification(Shape):
    """What the model read out of the notes."""

    interest: Literal["hot", "warm", "cold"]
    budget: Line | None
    contact_name: Line | None
    timeline: Line | None
    is_decision_maker: bool
    score: int = Field(ge=0, le=100)
    summary: Line
    next_steps: tuple[Line, ...] = Field(max_length=2)


class Summary(Shape):
    """What the account team gets. `check`: somebody should look, for interest and score do not go together, or the
    notes speak to a model.
    """

    id: str
    account: str | None
    qualification: Qualification
    next: Literal["call_today", "call_this_week", "send_material", "none"]
    check: bool
    run: str


def qualification(environ: Mapping[str, str]) -> Automation:
    """Build the automation; its how-to page lists the variables that it reads."""
    made = Automation(
        "qualification-summary",
        Notes,
        key=lambda notes: notes.id,
        subject=lambda notes: notes.account,
        limits=Limits(concurrency=2, deadline_s=24 * 3600),
        sources=row_sources(environ, "QUALIFICATION", Notes),
        hook=signed_hook(environ, "QUALIFICATION_HOOK_SECRET", lambda _identity, sent: [Notes.model_validate(sent)]),
    )

    @made.transform()
    def tidy(run: Run[Notes], given: Notes) -> str:
        text = "\n".join(line.strip() for line in given.notes.splitlines() if line.strip())
        if not text:
            raise Finished("empty")
        return text

    @made.prompt(PROMPT, timeout_s=60)
    def summarise(run: Run[Notes], text: str) -> Qualification:
        asked = messages(PROMPT, f"Notes:\n{text}", environ)
        return run.ask_for(Qualification, model_name(environ), asked, temperature=0)

    @made.decide()
    def judge(run: Run[Notes], said: Qualification) -> Summary:
        """Choose the next step by rule; who opted out is never called, whatever the model says."""
        return Summary(
            id=run.input.id,
            account=run.input.account,
            qualification=said,
            next="none" if run.input.opted_out or _NO_CALLS.search(one_spelling(run.input.notes)) else next_step(said),
            check=_odd(said) or speaks_to_a_model(one_spelling(run.input.notes)),
            run=run.id,
        )

    @made.dispatch("post_summary", key=lambda notes: notes.id, takes_key=True, timeout_s=30)
    def post(run: Run[Notes], summary: Summary) -> str:
        target, key = secret(environ, "QUALIFICATION_URL"), secret(environ, "QUALIFICATION_SECRET")
        post_webhook(target, key, run.action_key, {"type": "summary", "data": summary.model_dump(mode="json")})
        return summary.next

    return made


def _odd(said: Qualification) -> bool:
    """Tell whether interest and score do not go together."""
    return said.score < _LEAST[said.interest] or (said.interest == "cold" and said.score > 50)


def next_step(said: Qualification) -> Literal["call_today", "call_this_week", "send_material", "none"]:
    """Give the next step for an interest."""
    if said.interest == "hot":
        return "call_today" if said.score >= _LEAST["hot"] else "call_this_week"
    return "send_material" if said.interest == "warm" else "none"


AUTOMATION: Final = qualification(os.environ)
