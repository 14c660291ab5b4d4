"""A real upstream and real gateways for the tests of this folder."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.running_gateway import KEY, Running, running_gateway, write_policies
from tests.upstream import Upstream, running_upstream

Start = Callable[..., Running]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running_upstream() as running:
        yield running


@pytest.fixture
def start(tmp_path: Path, upstream: Upstream) -> Iterator[Start]:
    """Start a gateway in front of the upstream; `delivery` and `failure` go into its policy."""
    with ExitStack() as stack:

        def begin(delivery: str = "live", failure: str = "block", **options: Any) -> Running:
            policies = write_policies(tmp_path / "policies", upstream.base_url, delivery, failure)
            if redaction := options.pop("redaction", ""):
                file = policies / "structured.yaml"
                file.write_text(file.read_text().replace("redaction:\n", f"redaction:\n  {redaction}\n"))
            return stack.enter_context(running_gateway(policies, **options))

        yield begin


@pytest.fixture
def gateway(start: Start) -> Running:
    return start()


@pytest.fixture
def client(gateway: Running) -> Iterator[openai.OpenAI]:
    with new_client(gateway) as made:
        yield made


def new_client(gateway: Running, key: str = KEY, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=key, **{"max_retries": 0, "timeout": 30, **options})
