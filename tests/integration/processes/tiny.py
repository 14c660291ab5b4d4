"""A tiny program for the supervisor's tests: it writes what happens to it into a trace file.

Run as: tiny.py NAME HOW [PORT], with TRACE in the environment. HOW is one of
  serve    answer 200 to everything on the inherited listener, or on PORT; end on SIGTERM
  wait     do nothing; end on SIGTERM
  crash    end at once with exit code 7
  refuse   say a sentence and end with exit code 2
  stubborn ignore SIGTERM
"""

import os
import signal
import sys
import threading
from pathlib import Path

from gateway.machine.gate import answer_roll
from gateway.machine.ports import listen
from gateway.machine.processes import hold_lifeline, inherited_listener

STUBBORN_LINGER_S = 0.2


def main() -> None:
    name, how = sys.argv[1:3]
    note(name, "start")
    if how == "crash":
        sys.exit(7)
    if how == "refuse":
        sys.stderr.write("SLUICE_PORT is 1; choose another.\n")
        sys.exit(2)
    ended = threading.Event()
    hold_lifeline(os.environ, STUBBORN_LINGER_S)
    signal.signal(signal.SIGTERM, lambda *_: None if how == "stubborn" else ended.set())
    if how == "serve":
        threading.Thread(target=serve, daemon=True).start()
    note(name, "up")
    answer_roll(os.environ)
    while not ended.wait(0.05):
        pass
    note(name, "end")


def serve() -> None:
    listener = inherited_listener(os.environ) or listen("127.0.0.1", int(sys.argv[3]))
    while True:
        client, _ = listener.accept()
        with client:
            client.recv(1000)
            client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%d" % os.getpid())


def note(name: str, what: str) -> None:
    with Path(os.environ["TRACE"]).open("a", encoding="utf-8") as trace:
        trace.write(f"{name} {what} {os.getpid()}\n")


if __name__ == "__main__":
    main()
