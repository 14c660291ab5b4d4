"""Every request gets its turn."""

import asyncio

from redaction.presidio.turns import Job, Turns


def jobs(loop: asyncio.AbstractEventLoop, *names: str) -> list[Job]:
    return [Job({"name": name}, 0.0, loop.create_future()) for name in names]


async def order(*requests: tuple[str, ...]) -> list[str]:
    turns, loop = Turns(), asyncio.get_running_loop()
    for request in requests:
        turns.put(jobs(loop, *request))
    return [job.message["name"] for request in requests for _ in request if (job := turns.take())]


def test_a_small_request_passes_a_large_one() -> None:
    assert asyncio.run(order(("a1", "a2", "a3", "a4"), ("b",), ("c1", "c2"))) == [
        "a1",
        "b",
        "c1",
        "a2",
        "c2",
        "a3",
        "a4",
    ]


def test_a_job_that_nobody_waits_for_is_passed_over() -> None:
    async def main() -> list[str]:
        turns = Turns()
        first, second = jobs(asyncio.get_running_loop(), "a", "b")
        turns.put((first, second))
        first.reply.cancel()
        return [job.message["name"] for _ in range(2) if (job := turns.take())]

    assert asyncio.run(main()) == ["b"]


def test_a_reply_nobody_waits_for_is_dropped() -> None:
    async def main() -> None:
        (job,) = jobs(asyncio.get_running_loop(), "a")
        job.reply.cancel()
        job.resolve({})
        job.fail(TimeoutError())

    asyncio.run(main())
