"""Checking a policy folder as `sluice policy check` does: everything the loader sees, and what needs the detectors."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from policy.blocks_redaction import CustomRecognizer
from policy.load import load_tree
from policy.problems import PolicyErrors, Problem
from policy.snapshot import Snapshot

# Takes a recognizer of a policy file and gives a sentence for every example it fails.
CheckExamples = Callable[[CustomRecognizer], list[str]]


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
        names = ", ".join(self.policies)
        return f"{len(self.policies)} policies are valid ({names}); version {(self.sha256 or '')[:12]}"

    def json(self) -> str:
        """Give the same as JSON."""
        problems = [asdict(problem) for problem in self.problems]
        return json.dumps({"ok": self.ok, "problems": problems, "policies": self.policies, "sha256": self.sha256})


def no_examples(recognizer: CustomRecognizer) -> list[str]:
    """Check no example; for callers without detectors."""
    return []


def check(directory: Path, check_examples: CheckExamples = no_examples) -> Report:
    """Check a policy folder and report every problem with its file, line and column."""
    try:
        snapshot = load_tree(directory)
    except PolicyErrors as error:
        return Report(tuple(error.problems))
    failed = tuple(_failed_examples(snapshot, check_examples))
    return Report(failed, tuple(snapshot.policies), snapshot.sha256)


def _failed_examples(snapshot: Snapshot, check_examples: CheckExamples) -> Iterator[Problem]:
    for entry in snapshot.entries:
        for index, recognizer in enumerate(entry.policy.redaction.recognizers):
            path = f"redaction.recognizers[{index}]"
            for sentence in check_examples(recognizer):
                yield Problem(entry.file, 1, 1, path, sentence)
