"""Checking a policy folder as `sluice policy check` does: everything the loader sees, and what needs the detectors."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from policy.blocks_redaction import CustomRecognizer
from policy.load import Loaded, load_with_places
from policy.problems import PolicyErrors, Problem, near
from policy.snapshot import Snapshot
from redaction.custom import check_examples
from redaction.presidio.catalogue import unknown


@dataclass(frozen=True, slots=True)
class Detectors:
    """What only the detectors know: whether examples hold, and which Presidio recognizers do not exist."""

    failed_examples: Callable[[CustomRecognizer], Iterable[str]]
    unknown_presidio: Callable[[Iterable[str]], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Report:
    """What is wrong with a folder, and what it holds when nothing is."""

    problems: tuple[Problem, ...]
    policies: tuple[str, ...] = ()
    sha256: str | None = None

    @property
    def ok(self) -> bool:
        """Say whether the folder may be activated."""
        return not self.problems

    def text(self) -> str:
        """Give one line per problem, or one line that says all is well."""
        if self.problems:
            return "\n".join(map(str, self.problems))
        count = len(self.policies)
        names = ", ".join(self.policies)
        return f"Good: {count} polic{'y' if count == 1 else 'ies'} ({names}), {(self.sha256 or '')[:12]}."

    def json(self) -> str:
        """Give the same as JSON."""
        problems = [asdict(problem) for problem in self.problems]
        return json.dumps({"ok": self.ok, "sha256": self.sha256, "policies": self.policies, "problems": problems})


OURS: Final = Detectors(check_examples, unknown)


def load_checked(directory: Path, detectors: Detectors = OURS) -> Snapshot:
    """Load a folder that may be activated: everything `check` looks at holds.

    Raises:
        PolicyErrors: the folder cannot be used.
    """
    loaded = load_with_places(directory)
    if found := list(_by_detectors(loaded, detectors)):
        raise PolicyErrors(found)
    return loaded.snapshot


def check(directory: Path, detectors: Detectors = OURS) -> Report:
    """Check a policy folder and report every problem with its file, line and column."""
    try:
        snapshot = load_checked(directory, detectors)
    except PolicyErrors as error:
        return Report(tuple(error.problems))
    return Report((), tuple(snapshot.policies), snapshot.sha256)


def _by_detectors(loaded: Loaded, detectors: Detectors) -> Iterator[Problem]:
    for entry in loaded.snapshot.entries:
        places, redaction = loaded.sources[entry.file].places, entry.policy.redaction
        for index, recognizer in enumerate(redaction.recognizers):
            for sentence in detectors.failed_examples(recognizer):
                yield near(places, ("redaction", "recognizers", index, "examples"), sentence)
        for name in detectors.unknown_presidio(redaction.presidio):
            message = f"Presidio has no recognizer {name}; remove it"
            yield near(places, ("redaction", "presidio", redaction.presidio.index(name)), message)
