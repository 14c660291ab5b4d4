"""How long the gateway waits for the processor, by the kernel's count."""

import asyncio
from pathlib import Path

from gateway.crowding import Crowding, account


def test_what_the_kernel_counts_is_read(tmp_path: Path) -> None:
    (tmp_path / "schedstat").write_text("53906264 25725796 333\n")
    assert account(tmp_path / "schedstat") == (25_725_796, 333)
    (tmp_path / "schedstat").write_text("not here")
    assert account(tmp_path / "schedstat") == account(tmp_path / "none") == (0, 0)


def test_the_wait_is_the_mean_since_the_last_look_and_the_turn_of_the_loop() -> None:
    counts = iter([(1_000_000, 10), (3_000_000, 20), (3_000_000, 20)])
    now_s = iter([0.0, 0.05, 0.05, 0.2, 0.2, 0.4, 0.40007])
    crowding = Crowding(lambda: next(now_s), lambda: next(counts))

    async def waits() -> list[int]:
        return [await crowding.wait_us() for _ in range(3)]

    assert asyncio.run(waits()) == [0, 200, 70]  # the first look comes too soon
