"""What reviewers and callers do with a review: read it, edit it, and get its output."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gateway.call import Compiled
from gateway.control.database import Database
from gateway.control.errors import Conflict, InvalidInput
from gateway.control.identity.roles import Identity
from gateway.control.reviews import NOTE, OUTPUT, Decision, Review, Verdict, comment, decide, find, reveal
from gateway.errors import RedactionDown, Refused, Ungoverned
from gateway.holds.texts import Kept, ReviewTexts
from gateway.scorers.shape import unfit
from gateway.stages.bind import Redactors
from gateway.wire import said
from gateway.wire.endpoint import Json
from gateway.wire.labels import NAMES
from policy import model
from policy.snapshot import Snapshot
from redaction.placeholders import EXACTLY
from redaction.screen import Screen
from redaction.targets import links_in
from redaction.types import Blocked, RedactionFailed, Vault

MAX_TEXT_CHARS: Final = 50_000


@dataclass(frozen=True, slots=True)
class ReviewDesk:
    """Everything that the routes of reviews need."""

    texts: ReviewTexts
    snapshot: Callable[[], Snapshot]
    redactors: Redactors

    @property
    def database(self) -> Database:
        return self.texts.database

    def find(self, tenant: str, review_id: str) -> Review:
        """Return a review of a tenant.

        Raises:
            NotFound: there is none.
        """
        with self.database.read() as conn:
            return find(conn, tenant, review_id)

    async def decide(self, by: Identity, review_id: str, state: Verdict, said_of_it: "Remarks") -> Review:
        """Decide a review; an edit is screened before it is stored, and a comment cleared.

        Raises:
            ControlError: see `gateway.control.reviews.decide`.
            Refused, RedactionDown: the edit or comment holds what the policy does not let pass.
        """
        review = await asyncio.to_thread(self.find, by.tenant, review_id)
        edit = note = None
        if state == "edited":
            edit = self.texts.seal(review, OUTPUT, await self._edited(review, said_of_it))
        if said_of_it.comment:
            note = await self._note(review, by, said_of_it.comment)
        decision = Decision(state, said_of_it.reason, edit, note)
        return await asyncio.to_thread(decide, self.database, by, review_id, decision)

    async def comment(self, by: Identity, review_id: str, text: str) -> None:
        """Add a comment; it is cleared first.

        Raises:
            ControlError, Refused, RedactionDown: as `decide`.
        """
        review = await asyncio.to_thread(self.find, by.tenant, review_id)
        note = await self._note(review, by, text)
        await asyncio.to_thread(comment, self.database, by, review_id, note)

    def reveal(self, by: Identity, review_id: str) -> Json:
        """Return the values behind the placeholders of a review; that they were seen is recorded first.

        Raises:
            ControlError: see `gateway.control.reviews.reveal`.
        """
        kept = self.texts.kept(reveal(self.database, by, review_id))
        return dict(kept.values) if kept else {}

    def output(self, review: Review) -> Json | None:
        """Return what the caller of a decided review gets, with its own values; None when it gets nothing."""
        clean, kept = self.texts.output(review), self.texts.kept(review)
        if clean is None or kept is None:
            return None
        with _searched():
            return self._screen(review, kept, again=True).whole(clean).reply

    async def _edited(self, review: Review, edit: "Remarks") -> Json:
        kept, text = await asyncio.to_thread(self.texts.kept, review), edit.text or ""
        if kept is None:
            raise Conflict("The texts of this review were erased or have expired; it can only be rejected.")
        if not text or len(text) > MAX_TEXT_CHARS:
            raise InvalidInput("text", f"An edit has 1 to {MAX_TEXT_CHARS:,} characters.")
        _knows_its_placeholders(kept, text)
        try:
            body = said.reworded(kept.answer, text, edit.choice, calls=not edit.drop_calls)
        except IndexError as error:
            raise InvalidInput("choice", f"This answer has no choice {edit.choice}.") from error
        screen = self._screen(review, kept, again=False)
        with _searched():
            shown = await screen.answer(body)
        _fits_what_was_asked(kept, said.texts(shown.reply)[edit.choice])
        return shown.clean

    async def _note(self, review: Review, by: Identity, text: str) -> bytes:
        kept = await asyncio.to_thread(self.texts.kept, review)
        with _searched():
            cleared = await self._compiled(review, kept).redactor.clear_text(text)
        return self.texts.seal(review, NOTE, {"by": by.holder, "at_us": self.database.clock_us(), **cleared.body})

    def _screen(self, review: Review, kept: Kept, *, again: bool) -> Screen:
        redactor = self._compiled(review, kept).redactor
        asks_for_json = said.wanted(kept.request).kind != "text"
        links = links_in(kept.request, kept.values.keys())
        vault = Vault(values=dict(kept.values), links=links, json_mode=asks_for_json)
        return redactor.screen(vault, review.endpoint, again=again)

    def _compiled(self, review: Review, kept: Kept | None) -> Compiled:
        """Compile today's rules for the key that asked."""
        facts: list[Any] = kept.facts if kept else [review.tenant, None, review.automation, None, None]
        labels = dict(zip(NAMES, kept.labels, strict=False)) if kept else {}
        try:
            known = {name: value for name, value in labels.items() if value is not None}
            bound = self.snapshot().bind(model.Facts(*facts), known)
        except model.Ungoverned as error:
            raise Ungoverned("No policy governs the key that asked any more.") from error
        return self.redactors.of(bound, review.tenant)


@dataclass(frozen=True, slots=True)
class Remarks:
    """What a reviewer says with a decision."""

    reason: str | None = None
    comment: str | None = None
    text: str | None = None
    choice: int = 0  # which choice of the answer gets the text
    drop_calls: bool = False


def _knows_its_placeholders(kept: Kept, text: str) -> None:
    """Refuse an edit with a placeholder, mistyped or of another call, that would reach its caller as it stands.

    Raises:
        InvalidInput: there is one.
    """
    told = EXACTLY.findall(orjson.dumps([kept.request, kept.answer]).decode())
    unknown = sorted({*EXACTLY.findall(text)}.difference(kept.values, told))
    if unknown:
        wrong = f"{unknown[0]} stands for nothing in this review: take a placeholder of its request or answer, or none."
        raise InvalidInput("text", wrong)


def _fits_what_was_asked(kept: Kept, text: str) -> None:
    """Refuse an edit that, with the caller's own values in it, is not what its program reads.

    Raises:
        InvalidInput: the caller asked for JSON, or JSON of a schema, and this is none. No value is named.
    """
    wanted = said.wanted(kept.request)
    wrong = unfit(wanted, text) if wanted.kind != "text" else None
    if wrong is not None:
        raise InvalidInput("text", f"The caller asked for JSON, and {wrong}.")


@contextmanager
def _searched() -> Iterator[None]:
    """Say in the gateway's words that a text was refused, or could not be searched."""
    try:
        yield
    except Blocked as error:
        raise Refused(f"The policy does not allow {error.kind} in this text.") from error
    except RedactionFailed as error:
        raise RedactionDown("The text could not be searched for personal data.") from error
