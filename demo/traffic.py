"""Sends the sample inputs through a gateway with the real `openai` client, and posts what came of them."""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openai import APIError, APIStatusError, AsyncOpenAI

from demo import flows
from demo.flows import Judged, Models, Run
from demo.samples.read import AUTOMATIONS, articles, samples

Flow = Callable[[Run, Mapping[str, Any], Sequence[Mapping[str, str]]], Awaitable[Judged]]

FLOWS: Mapping[str, Flow] = dict(
    zip(AUTOMATIONS, (flows.triage, flows.enrich, flows.qualify, flows.support), strict=True)
)
_KNOWN_SHARE = 0.7  # of the runs, the source system reports how many turned out


@dataclass(frozen=True, slots=True)
class Job:
    automation: str
    sample: Mapping[str, Any]


@dataclass
class Tally:
    """What came of the runs. `refused` were answered 4xx by policy or limits, `failed` broke on the way."""

    done: int = 0
    refused: int = 0
    failed: int = 0
    met: int = 0
    outcomes: int = 0
    outcomes_refused: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def count(self, reason: str, *, refused: bool) -> None:
        """Count a run that gave no answer."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        self.refused += refused
        self.failed += not refused

    def sentence(self) -> str:
        """Tell the tally."""
        total = self.done + self.refused + self.failed
        why = ", ".join(f"{reason} {number}" for reason, number in sorted(self.reasons.items()))
        told = f"{total} runs: {self.done} done, {self.refused} refused, {self.failed} failed{why and f' ({why})'}"
        return f"{told}; {self.outcomes} outcomes reported, {self.outcomes_refused} not accepted."


@dataclass(frozen=True, slots=True)
class Plan:
    """How to send: where to, with which key per automation, which models, how many runs at once, which luck."""

    base_url: str
    keys: Mapping[str, str]
    models: Models = field(default_factory=Models)
    at_once: int = 6
    seed: int = 0


def jobs(limit: int | None = None) -> list[Job]:
    """Give all samples, the automations taking turns; `limit` keeps the first ones."""
    rows = [[Job(name, sample) for sample in samples(name)] for name in AUTOMATIONS]
    longest = max(map(len, rows))
    mixed = [row[at] for at in range(longest) for row in rows if at < len(row)]
    return mixed if limit is None else mixed[:limit]


async def send(plan: Plan, wanted: Sequence[Job], progress: Callable[[Job], None]) -> Tally:
    """Run all jobs, a few at once; stops early when the gateway is gone."""
    tally, luck = Tally(), random.Random(plan.seed)
    known = {id(job): luck.random() < _KNOWN_SHARE for job in wanted}
    clients = {name: AsyncOpenAI(base_url=plan.base_url, api_key=key) for name, key in plan.keys.items()}
    queue = iter(wanted)

    async def worker() -> None:
        for job in queue:
            client = clients[job.automation]
            await _one(job, Run(client, str(uuid.uuid4()), plan.models), tally, report=known[id(job)])
            progress(job)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(plan.at_once):
                group.create_task(worker())
    finally:
        for client in clients.values():
            await client.close()
    return tally


async def _one(job: Job, run: Run, tally: Tally, *, report: bool) -> None:
    try:
        judged = await FLOWS[job.automation](run, job.sample, articles())
    except APIStatusError as error:
        tally.count(str(error.code or error.status_code), refused=error.status_code < 500)
    except (APIError, ValueError, KeyError) as error:
        # A stream that broke, or an answer that is not what the automation asked for.
        tally.count(type(error).__name__, refused=False)
    else:
        tally.done += 1
        tally.met += judged.met
        if report:
            await _report(run, judged, tally)


async def _report(run: Run, judged: Judged, tally: Tally) -> None:
    outcome = {
        "id": f"{run.run_id}.{judged.metric}",
        "run_id": run.run_id,
        "metric": judged.metric,
        "value": judged.met,
        "source": "system",
    }
    try:
        await run.client.post("/outcomes", body=outcome, cast_to=object)
        tally.outcomes += 1
    except APIError:
        tally.outcomes_refused += 1
