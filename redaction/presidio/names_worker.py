"""Detector process for names alone, without the start-up time and memory of Presidio; runs with `python -m`."""

from collections.abc import Sequence

from redaction.names.recognizer import Names, load_names
from redaction.presidio.frames import Query
from redaction.presidio.serve import run
from redaction.types import Entity


class NamesEngine:
    """Answers the `names` level of a query and nothing else."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.plain = names.plain

    def find(self, texts: Sequence[str], query: Query) -> list[list[Entity]]:
        """Return the names of each text; raises ValueError when the query asks for Presidio's recognizers."""
        if query.presidio:
            raise ValueError("this process has names only")
        return self._names.find_all(texts, query.level)


def make_engine() -> NamesEngine:
    names = load_names()
    names.warm_up()
    return NamesEngine(names)


def main() -> None:
    run(make_engine)


if __name__ == "__main__":
    main()
