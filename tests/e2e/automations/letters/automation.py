"""An automation for tests: a letter is summed up by a model and posted to a target that knows keys."""

import os
import signal
from urllib.parse import urlsplit

import urllib3
from pydantic import BaseModel

from automations.flow.automation import Automation, Limits, Tries
from automations.flow.run import Run
from automations.flow.signals import Fatal


class Letter(BaseModel):
    id: str
    sender: str
    text: str


class Summary(BaseModel):
    to: str
    text: str


class Posted(BaseModel):
    status: int


AUTOMATION = Automation(
    "letters",
    Letter,
    key=lambda letter: letter.id,
    subject=lambda letter: letter.sender,
    limits=Limits(concurrency=int(os.environ.get("LETTERS_CONCURRENCY", "8")), max_queued=20_000),
)
_HTTP = urllib3.PoolManager(maxsize=32, retries=False)
_QUICK = Tries(3, first_wait_s=0.2, longest_wait_s=1.0)


def text_kills(letter: Letter) -> bool:
    """Tell whether this is one of the campaign's letters whose reader dies, as of a bug in a C library."""
    return letter.text == "deadly"


@AUTOMATION.ingest(tries=_QUICK)
def read(run: Run[Letter], letter: Letter) -> str:
    if letter.text == "poison":
        raise ValueError("a letter that nobody can read")
    if text_kills(letter):
        os.kill(os.getpid(), signal.SIGKILL)
    return letter.text


@AUTOMATION.prompt("sum-up@1", timeout_s=30, tries=_QUICK)
def sum_up(run: Run[Letter], text: str) -> Summary:
    said = run.ask(os.environ.get("LETTERS_MODEL", "simulated-small"), [{"role": "user", "content": f"Sum up: {text}"}])
    return Summary(to=run.input.sender, text=said)


@AUTOMATION.dispatch("post_letter", key=lambda letter: letter.id, takes_key=True, tries=_QUICK)
def post(run: Run[Letter], summary: Summary) -> Posted:
    url = os.environ["LETTERS_TARGET"]
    assert urlsplit(url).hostname == "127.0.0.1"
    headers = {"idempotency-key": run.action_key}
    answer = _HTTP.request("POST", url, json=summary.model_dump(), headers=headers, timeout=run.time_left_s())
    if 400 <= answer.status < 500:
        raise Fatal(f"the target answered {answer.status}")
    if answer.status >= 500:
        raise ConnectionError(f"the target answered {answer.status}")
    return Posted(status=answer.status)
