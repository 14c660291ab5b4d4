"""Detector process with Presidio: `python -m redaction.presidio.worker`."""

from redaction.names.recognizer import load_names
from redaction.presidio.engine import PresidioEngine
from redaction.presidio.serve import run


def make_engine() -> PresidioEngine:
    names = load_names()
    names.warm_up()
    return PresidioEngine(names)


def main() -> None:
    run(make_engine)


if __name__ == "__main__":
    main()
