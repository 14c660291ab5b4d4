"""Stage bind: the one policy that governs this call, pinned until its last byte."""

from typing import Protocol

from policy.snapshot import Snapshot

from gateway import errors
from gateway.call import Call, Governed, Tags
from policy.model import Bound, Ungoverned
from redaction.redactor import Redactor
from redaction.types import Clean


class Redactors(Protocol):
    """Compiled redactors, one per policy and tenant."""

    def of(self, bound: Bound, tenant: str) -> Redactor: ...


def bind(call: Call, snapshot: Snapshot, redactors: Redactors) -> Governed:
    """Find the policy for the caller's facts and labels.

    Raises:
        Ungoverned: no policy governs this key.
    """
    facts = call.holder.facts
    try:
        bound = snapshot.bind(facts, call.labels.for_policy())
    except Ungoverned as error:
        raise errors.Ungoverned("No policy governs this API key, so the call is refused.") from error
    redactor = redactors.of(bound, facts.tenant)
    return Governed(call, snapshot, bound, redactor, _tags(call, redactor))


def _tags(call: Call, redactor: Redactor) -> Tags:
    """Clear what a caller says about a call: free text stands in labels too."""
    labels = call.labels

    def clear(text: str | None) -> Clean | None:
        return None if text is None else redactor.clear_label(text)

    return Tags(
        run=clear(labels.run_id) or call.id,
        step=clear(labels.step),
        prompt=clear(labels.prompt),
        data_class=clear(labels.data_class),
        model=redactor.clear_label(call.body["model"]),
    )
