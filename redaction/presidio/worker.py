"""Detector process with Presidio: `python -m redaction.presidio.worker`."""

from redaction.names.recognizer import load_names
from redaction.presidio.engine import PresidioEngine
from redaction.presidio.serve import run


def main() -> None:
    run(lambda: PresidioEngine(load_names()))


if __name__ == "__main__":
    main()
