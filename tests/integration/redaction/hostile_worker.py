"""A detector process for tests: it hangs, dies or opens a socket when a text says so."""

import os
import socket
import time
from collections.abc import Sequence

from redaction.presidio.frames import Query
from redaction.presidio.serve import run
from redaction.types import Entity


class Hostile:
    plain: frozenset[str] = frozenset()

    def find(self, texts: Sequence[str], query: Query) -> list[list[Entity]]:
        return [self._of(text) for text in texts]

    def _of(self, text: str) -> list[Entity]:
        if text.startswith("die"):
            os._exit(3)
        if text.startswith("sleep"):
            time.sleep(float(text.split()[1]))
        if text.startswith("socket"):
            try:
                socket.create_connection(("127.0.0.1", 9))
            except PermissionError:
                return [Entity("REFUSED", 0, 6, 1.0, "socket")]
        return [Entity("PID", 0, os.getpid(), 1.0, os.environ.get("SECRET_KEY", "none"))]


if __name__ == "__main__":
    run(Hostile)
