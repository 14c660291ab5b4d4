"""Each program imports only what it needs: memory and start-up time of every worker are paid N times."""

import subprocess
import sys

import pytest

HEAVY = {"duckdb", "pyarrow", "pandas", "numpy", "streamlit", "presidio_analyzer", "spacy", "httpx", "openai"}
NOT_FOR_CALLS = {"ruamel.yaml", "jwt", "cryptography.x509", "sqlalchemy.dialects.postgresql", "aiohttp", "psycopg"}
DATABASE = {"sqlalchemy", "pydantic", "fastapi", "aiohttp", "uvicorn"}


def imported(module: str) -> set[str]:
    script = f"import sys, {module}; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


@pytest.mark.parametrize("module", ["gateway.worker", "gateway.keeper.__main__"])
def test_workers_and_keeper_stay_light(module: str) -> None:
    found = imported(module)
    assert not found.intersection(HEAVY)
    assert not [name for name in found if name.startswith("opentelemetry.sdk")]


def test_a_worker_imports_nothing_that_no_call_needs() -> None:
    assert not imported("gateway.worker").intersection(NOT_FOR_CALLS)


@pytest.mark.parametrize("module", ["gateway.commands.gateway", "gateway.commands.dashboard"])
def test_parents_import_next_to_nothing(module: str) -> None:
    assert not imported(module).intersection(HEAVY | DATABASE)
