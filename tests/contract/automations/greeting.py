"""A small automation that the tests run: it reads a note, decides, and sends it somewhere."""

from dataclasses import dataclass, field

from automations.flow.automation import Automation, Limits, Tries
from automations.flow.run import Run
from automations.flow.signals import Fatal, Finished


@dataclass(frozen=True)
class Note:
    id: str
    text: str
    person: str | None = None


@dataclass(frozen=True)
class Letter:
    to: str
    text: str


@dataclass(frozen=True)
class Receipt:
    number: int


@dataclass
class Target:
    """Where letters go. `fail` is raised so many times before a letter is taken; it knows keys again, if it may."""

    keys: list[str] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    taken: list[Letter] = field(default_factory=list)

    def send(self, key: str, letter: Letter) -> Receipt:
        if self.failures:
            raise self.failures.pop()
        if key not in self.keys:
            self.keys.append(key)
            self.taken.append(letter)
        return Receipt(self.keys.index(key))


def greeting(target: Target, *, takes_key: bool = True, limits: Limits | None = None) -> Automation:
    """Build the automation around a target."""
    made = Automation(
        "greeting",
        Note,
        key=lambda note: note.id,
        subject=lambda note: note.person,
        limits=limits or Limits(),
    )

    @made.ingest()
    def read(run: Run[Note], note: Note) -> str:
        if note.text == "bad":
            raise Fatal("cannot be read")
        return note.text.strip()

    @made.decide(tries=Tries(3, first_wait_s=1.0))
    def choose(run: Run[Note], text: str) -> Letter:
        if text == "nothing":
            raise Finished("not_needed")
        if text == "poison":
            raise ValueError("poisoned")
        if text == "half an error":
            raise ValueError("\udcff")
        if text == "half an answer":
            return Letter("someone@example.com", "\ud83d")
        run.note("choice", length=len(text))
        return Letter("someone@example.com", text)

    @made.dispatch("send_letter", key=lambda note: note.id, takes_key=takes_key, tries=Tries(3, first_wait_s=1.0))
    def send(run: Run[Note], letter: Letter) -> Receipt:
        assert run.of(choose) == letter
        return target.send(run.action_key, letter)

    return made
