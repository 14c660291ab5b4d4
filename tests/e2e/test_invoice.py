"""What is recorded as spent is what the provider charges: through retries, refusals and repeated requests."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import openai
import pytest

from tests.e2e.conftest import new_client
from tests.running_gateway import Running, running_gateway, write_policies
from tests.upstream import Received, Step, Upstream, reply

CALLS, REPEATED = 120, 20


class Provider:
    """Charges for each answer that it gives, at the prices of the policy tree; every third request fails."""

    def __init__(self) -> None:
        self._lock, self._die, self.asked, self.invoice = threading.Lock(), random.Random(7), 0, Decimal(0)

    def __call__(self, _request: Received) -> list[Step]:
        with self._lock:
            self.asked += 1
            if self.asked % 3 == 0:
                error = {"error": {"message": "busy", "type": "server_error", "code": None}}
                return reply(error, 503, retry_after_ms="0")
            given, cached, made = self._die.randrange(50, 5000), self._die.randrange(50), self._die.randrange(900)
            self.invoice += (Decimal(given - cached) + Decimal(cached) / 10 + Decimal(made) * 4) / 1_000_000
        usage = {"prompt_tokens": given, "prompt_tokens_details": {"cached_tokens": cached}, "completion_tokens": made}
        message = {"role": "assistant", "content": "Yes.", "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        head = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-test"}
        return reply(head | {"choices": [choice], "usage": usage | {"total_tokens": given + made}})


@pytest.fixture
def gateway(tmp_path: Path, upstream: Upstream) -> Iterator[Running]:
    folder = write_policies(tmp_path / "policies", upstream.base_url)
    (folder / "_defaults.yaml").write_text("schema: 1\nrouting: {retries: {attempts: 2}}\n")
    with running_gateway(folder) as running:
        yield running


def test_costs_are_the_providers_invoice(upstream: Upstream, gateway: Running) -> None:
    provider = Provider()
    upstream.default = provider

    def ask(client: openai.OpenAI, number: int) -> bool:
        key = {"idempotency-key": f"order-{number % (CALLS - REPEATED)}"}  # the last ones repeat the first
        said = [{"role": "user", "content": f"Order {number % (CALLS - REPEATED)}."}]
        try:
            client.chat.completions.create(model="gpt-test", messages=said, extra_headers=key)  # type: ignore[arg-type]
        except openai.APIStatusError:
            return False
        return True

    with new_client(gateway) as client, ThreadPoolExecutor(16) as pool:
        first = list(pool.map(lambda number: ask(client, number), range(CALLS - REPEATED)))
        list(pool.map(lambda number: ask(client, number), range(CALLS - REPEATED, CALLS)))
    ends = gateway.ends(CALLS)
    attempts = [attempt for end in ends for attempt in end.get("attempts", ())]
    assert len(ends) == CALLS
    assert len(attempts) == provider.asked
    assert sum(first) > CALLS // 2
    charged = sum(Decimal(str(attempt["cost_usd"])) for attempt in attempts)
    assert abs(charged - provider.invoice) < Decimal("1e-9")
    assert abs(sum(Decimal(str(end.get("cost_usd") or 0)) for end in ends) - provider.invoice) < Decimal("1e-9")
    assert sum(end.get("reused") == "idempotency" for end in ends) == sum(first[:REPEATED])
