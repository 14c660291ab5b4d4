"""Every request gets its turn."""

import asyncio

from redaction.presidio.turns import Job, Turns


def jobs(loop: asyncio.AbstractEventLoop, *names: str) -> list[Job]:
    return [Job({"name": name}, 0.0, loop.create_future()) for name in names]


async def order(*requests: tuple[str, ...]) -> list[str]:
    turns, loop = Turns(), asyncio.get_running_loop()
    for request in requests:
        turns.put(jobs(loop, *request))
    return [(await turns.get()).message["name"] for request in requests for _ in request]


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


def test_a_job_put_back_is_next() -> None:
    async def main() -> list[str]:
        turns, loop = Turns(), asyncio.get_running_loop()
        turns.put(jobs(loop, "a", "b"))
        turns.put_back(await turns.get())
        return [(await turns.get()).message["name"] for _ in range(2)]

    assert asyncio.run(main()) == ["a", "b"]


def test_a_reply_nobody_waits_for_is_dropped() -> None:
    async def main() -> None:
        (job,) = jobs(asyncio.get_running_loop(), "a")
        job.reply.cancel()
        job.resolve({})
        job.fail(TimeoutError())

    asyncio.run(main())
