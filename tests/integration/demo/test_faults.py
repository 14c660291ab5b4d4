"""Faults look as they look at a real provider."""

import http.client
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from openai import OpenAI

from demo.provider.clock import VirtualClock
from demo.provider.faults import Fault
from tests.integration.demo.conftest import START_S, Serve

MESSAGES: Any = [{"role": "user", "content": "Summarise this: We met on Monday. The budget is approved."}]


def ask(url: str, **extra: Any) -> Any:
    with OpenAI(base_url=url, api_key="any", max_retries=0) as client:
        said = client.chat.completions.create(model="simulated-small", messages=MESSAGES, **extra)
        return list(said) if extra.get("stream") else said


@pytest.mark.parametrize(("kind", "expected"), [("rate_limit", 429), ("server_error", 500)])
def test_refusals_have_their_status_and_code(serve: Serve, kind: Fault, expected: int) -> None:
    with serve({kind: 1.0}) as url, pytest.raises(openai.APIStatusError) as refused:
        ask(url)
    assert refused.value.status_code == expected
    if kind == "rate_limit":
        assert (refused.value.code, refused.value.response.headers["retry-after"]) == ("rate_limit_exceeded", "1")


@pytest.mark.parametrize("stream", [True, False])
def test_a_cut_answer_is_a_broken_connection(serve: Serve, stream: bool) -> None:
    with serve({"cut": 1.0}) as url, pytest.raises(openai.APIConnectionError):
        ask(url, stream=stream)


def test_a_slow_answer_takes_longer(serve: Serve) -> None:
    def taken_s(rates: dict[Fault, float]) -> float:
        clock = VirtualClock(START_S)
        with serve(rates, clock=clock) as url:
            ask(url, seed=1)
        return clock.now_s() - START_S

    assert taken_s({"slow": 1.0}) == pytest.approx(8 * taken_s({}), rel=0.01)


def test_the_clients_own_retries_get_through(serve: Serve) -> None:
    with serve({"server_error": 0.3}, seed=2) as url, OpenAI(base_url=url, api_key="any", max_retries=8) as client:
        for _ in range(3):
            client.embeddings.create(model="simulated-small", input="hello")


def test_the_program_prints_its_address_and_stops_with_its_parent() -> None:
    command = [sys.executable, "-m", "demo.provider", "--port", "0", "--with-parent", "--latency-scale", "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().rpartition(": ")[2].strip()
        assert ask(url).choices[0].message.content
        address = urlsplit(url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port)
        connection.request("GET", "/v1/nothing")
        assert connection.getresponse().getheader("x-simulated-provider") == "true"
        connection.close()
        process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize("wrong", [["--fault", "fire=1"], ["--fault-rate", "1.5"]])
def test_wrong_options_are_said(wrong: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "demo.provider", *wrong], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--fault" in done.stderr
