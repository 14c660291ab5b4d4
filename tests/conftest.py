"""Set-up shared by all tests: a clean environment and one Hypothesis profile."""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("ci", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see no SLUICE_* or OPENAI_* variable of the machine they run on."""
    for name in list(os.environ):
        if name.startswith(("SLUICE_", "OPENAI_")):
            monkeypatch.delenv(name)
