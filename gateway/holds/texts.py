"""What a review keeps of a call, sealed: clean texts, and apart from them the values behind placeholders."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from gateway.call import Judged
from gateway.control import sealed
from gateway.control.database import Database
from gateway.control.reviews import CONTENT, NOTE, OUTPUT, Review
from gateway.sealer import Sealer
from gateway.wire.endpoint import Json
from gateway.wire.numbers import loads

REVIEWS: Final = "gateway/reviews"  # what their texts are sealed for


@dataclass(frozen=True, slots=True)
class Kept:
    """The cleared request, the clean answer, the fallback if there is one, and what restoring them needs."""

    request: Json
    answer: Json
    fallback: Json | None
    values: Mapping[str, str]
    facts: list[str | None]
    labels: list[str | None]
    findings: list[list[Any]] = field(default_factory=list)
    scores: list[Json] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ReviewTexts:
    """Seals and opens the texts of reviews."""

    database: Database
    sealer: Sealer

    def seal(self, review: Review, kind: str, value: Any) -> bytes:
        """Seal one text of a review."""
        return self.sealer.seal(review.tenant, f"{kind}\0{review.review_id}", orjson.dumps(value))

    def kept(self, review: Review) -> Kept | None:
        """Open what a review keeps; None when it was erased or has expired."""
        found = self._open(review, CONTENT, review.review_id)
        return None if found is None else Kept(**found)

    def edit(self, review: Review) -> Json | None:
        """Open a reviewer's edit."""
        found: Json | None = self._open(review, OUTPUT, review.review_id)
        return found

    def notes(self, review: Review) -> list[Any]:
        """Open the comments, the oldest first."""
        items = sealed.below(self.database, review.tenant, NOTE, f"{review.review_id}.")
        raw = [self.sealer.open(review.tenant, f"{NOTE}\0{review.review_id}", item.ciphertext) for item in items]
        return [orjson.loads(each) for each in raw if each is not None]

    def output(self, review: Review) -> Json | None:
        """Open what the caller gets, clean; None when it gets nothing."""
        if review.output == "edit":
            return self.edit(review)
        kept = self.kept(review) if review.output != "none" else None
        if kept is None:
            return None
        return kept.answer if review.output == "answer" else kept.fallback

    def _open(self, review: Review, kind: str, name: str) -> Any:
        item = sealed.get(self.database, review.tenant, kind, name)
        raw = None if item is None else self.sealer.open(review.tenant, f"{kind}\0{review.review_id}", item.ciphertext)
        return None if raw is None else loads(raw)


def kept_of(judged: Judged, fallback: Json | None) -> Kept:
    """Gather what a review keeps of a judged call."""
    request = judged.answer.answer.route.request
    call = request.governed.call
    facts = call.holder.facts
    findings = [*request.cleared.findings, *judged.answer.screen.findings]
    return Kept(
        request=request.cleared.body,
        answer=judged.answer.clean,
        fallback=fallback,
        values=dict(request.cleared.vault.values),
        facts=[facts.tenant, facts.team, facts.automation, facts.environment, facts.data_class],
        labels=list(call.labels._replace(subject=None)),
        findings=[[f.site, f.kind, f.start, f.end, f.action] for f in findings[:200]],
        scores=[signal.record() for signal in judged.scored.signals],
    )
