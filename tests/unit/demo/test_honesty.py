"""The simulated provider has not seen the samples and knows nothing of the gateway."""

import ast
import json
import sys
from pathlib import Path

from demo.provider import corpus
from demo.provider.words import words
from demo.samples.read import AUTOMATIONS, articles, samples

PROVIDER = Path(corpus.__file__).parent
SHINGLE = 8  # words in a row; shorter ones are idioms


def shingles(text: str) -> set[tuple[str, ...]]:
    row = words(text)
    return {tuple(row[at : at + SHINGLE]) for at in range(len(row) - SHINGLE + 1)}


def all_text(value: object) -> str:
    return " ".join(map(all_text, value.values())) if isinstance(value, dict) else str(value)


def test_it_imports_nothing_of_ours_but_itself() -> None:
    imported = set()
    for path in PROVIDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
    foreign = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
    assert {name for name in foreign if not name.startswith("demo.provider")} == {"click", "uvicorn"}


def test_it_never_looks_at_request_headers() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in PROVIDER.glob("*.py"))
    assert 'scope["headers"]' not in code
    assert "sluice" not in code.lower()


def test_no_sample_was_trained_on() -> None:
    learnt = set[tuple[str, ...]]()
    for path in corpus.TEXTS.glob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            learnt |= shingles(json.loads(line).get("text", ""))
    for automation in AUTOMATIONS:
        for sample in samples(automation):
            assert not shingles(all_text(sample)) & learnt, sample["id"]


def test_samples_have_distinct_ids_and_known_answers() -> None:
    rows = [sample for automation in AUTOMATIONS for sample in samples(automation)]
    assert len({row["id"] for row in rows}) == len(rows) >= 80
    known = {article["id"] for article in articles()}
    assert {sample["expected"]["article"] for sample in samples("support-drafting")} <= known
