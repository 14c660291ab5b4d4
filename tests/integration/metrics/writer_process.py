"""A process that records calls as fast as it can and says on stdout which were acknowledged."""

import asyncio
import sys
from pathlib import Path

from metrics.record.journal import FileJournal, open_keystore, writer_id
from tests.integration.metrics.support import TS, begin, content, end


async def work(data: Path, name: str) -> None:
    keystore, _ = open_keystore(data, {})
    journal = FileJournal(data, writer_id(name), keystore)

    async def caller(lane: int) -> None:
        for n in range(1_000_000):
            call = f"{name}_{lane}_{n}"
            journal.write(begin(call, TS + n))
            sys.stdout.write(f"begun {call}\n")
            await journal.commit(end(call, TS + n), content(f"subject {n % 3}", request="words"))
            sys.stdout.write(f"acked {call}\n")
            sys.stdout.flush()

    await asyncio.gather(*(caller(lane) for lane in range(8)))


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2]))
