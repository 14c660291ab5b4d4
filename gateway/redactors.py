"""Compiled redactors, kept for as long as calls need them."""

import contextlib
from collections.abc import Callable, Iterable, Sequence

from gateway.call import Compiled
from policy.model import Bound, Facts, Ungoverned
from policy.snapshot import Snapshot
from redaction import pattern
from redaction.detect import Detector
from redaction.redactor import Redactor
from redaction.types import Clean

_KEPT = 256
_KEPT_NAMES = 1024


class CompiledRedactors:
    """One redactor per effective policy and tenant, compiled at first use.

    `detector` gives the detector of a policy that enables these Presidio recognizers.
    """

    def __init__(self, tenant_key: Callable[[str], bytes], detector: Callable[[Sequence[str]], Detector]) -> None:
        self._tenant_key, self._detector = tenant_key, detector
        self._compiled: dict[tuple[str, str], Compiled] = {}

    def of(self, bound: Bound, tenant: str) -> Compiled:
        """Return the redactor of a bound policy; `hash12` stands for all of its rules."""
        key = (bound.hash12, tenant)
        found = self._compiled.get(key)
        if found is None:
            if len(self._compiled) >= _KEPT:
                self._compiled.clear()
            rules = bound.policy.redaction
            redactor = Redactor(rules, self._tenant_key(tenant), self._detector(rules.presidio))
            found = self._compiled[key] = Compiled(redactor, remembering(redactor.clear_label))
        return found

    def prepare(self, snapshot: Snapshot, callers: Iterable[Facts]) -> None:
        """Compile what known callers will ask for, away from their calls: it takes some tenths of a second."""
        for facts in callers:
            with contextlib.suppress(Ungoverned):
                self.of(snapshot.bind(facts, {}), facts.tenant)
        pattern.forget()


def needs_detectors(snapshot: Snapshot) -> bool:
    """Tell whether any policy of a snapshot looks for names or uses Presidio."""
    rules = [entry.policy.redaction for entry in snapshot.entries]
    tighter = [block.redaction for entry in snapshot.entries for block in entry.policy.tighten if block.redaction]
    return any(
        each.presidio or {each.names, each.answer_names} - {None, "off"} for block in (rules, tighter) for each in block
    )


def remembering(clear: Callable[[str], Clean]) -> Callable[[str], Clean]:
    """Return a function that clears the few names which nearly every call repeats only once."""
    known: dict[str, Clean] = {}

    def name(text: str) -> Clean:
        found = known.get(text)
        if found is None:
            if len(known) >= _KEPT_NAMES:
                known.clear()
            found = known[text] = clear(text)
        return found

    return name
