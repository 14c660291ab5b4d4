"""What a verification found."""

from dataclasses import dataclass, field


@dataclass
class Report:
    """What was verified. `problems` are (sequence number or None, sentence), the first bad record first."""

    records: int = 0
    checkpoints: int = 0
    sealed: int = 0  # records under the last checkpoint
    anchored: int = 0  # records under the last anchored checkpoint
    anchors: int = 0
    problems: list[tuple[int | None, str]] = field(default_factory=list)

    def found(self, seq: int | None, sentence: str) -> None:
        """Note a problem."""
        if len(self.problems) < 1000:
            self.problems.append((seq, sentence))

    @property
    def first_bad(self) -> int | None:
        """The lowest sequence number that something is wrong with."""
        return min((seq for seq, _ in self.problems if seq is not None), default=None)
