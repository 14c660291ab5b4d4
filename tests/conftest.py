"""Set-up shared by all tests: a clean environment, one Hypothesis profile, one PostgreSQL for each process."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import postgres_server

__all__ = ["postgres_server"]  # here only: imported elsewhere it would be another fixture, with a server of its own

settings.register_profile("ci", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share a module's fixture in one process (pytest-xdist), so that it is set up once."""
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        used = item._fixtureinfo.name2fixturedefs.values()
        if any(found[-1].scope == "module" for found in used) and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.location[0]))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see no SLUICE_* or OPENAI_* variable of the machine they run on."""
    for name in list(os.environ):
        if name.startswith(("SLUICE_", "OPENAI_")):
            monkeypatch.delenv(name)
