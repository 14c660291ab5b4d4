"""Keys of the sample traffic are used only once every worker knows them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from demo.keys import sample_keys, until_known
from gateway.control.database import position
from gateway.machine.prepare import control_database
from gateway.settings import load


@contextmanager
def saying(answers: list[list[int]]) -> Iterator[str]:
    """Serve `/status` of a gateway whose workers have followed so far; the last answer stays."""

    class Status(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen = answers.pop(0) if len(answers) > 1 else answers[0]
            body = json.dumps({"workers": [{"changes": each} for each in seen]}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Status) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


def test_the_slowest_worker_is_waited_for(tmp_path: Path) -> None:
    settings = load({"SLUICE_DATA": str(tmp_path / "data")}, tmp_path)
    assert len(sample_keys(settings)) == 4
    with control_database(settings) as database, database.read() as conn:
        now = position(conn).version
    answers = [[], [now, now - 1], [now, now]]
    with saying(answers) as gateway:
        until_known(settings, gateway)
    assert answers == [[now, now]]
