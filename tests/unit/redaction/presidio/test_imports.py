"""The gateway worker talks to detector processes without loading what they load."""

import subprocess
import sys

HEAVY = {"numpy", "spacy", "presidio_analyzer", "presidio_anonymizer", "tldextract"}


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_parent_side_stays_light() -> None:
    assert not loaded_by("redaction.presidio.detectors") & HEAVY


def test_a_names_process_loads_no_presidio() -> None:
    assert loaded_by("redaction.presidio.names_worker") & HEAVY == {"numpy"}
