"""Lets schemathesis, an extra tool, try our own OpenAPI document; it is not among the project's dependencies."""

import re
import shutil
import subprocess
from collections.abc import Callable

from benchmarks.stand import KEY, Stand


def fuzz_own_spec(stand: Stand, program: str, examples: int, say: Callable[[str, object], None]) -> list[str]:
    """Run it against a product; return what should not have happened."""
    found = shutil.which(program)
    if found is None:
        say("schemathesis on our OpenAPI document", f"skipped: there is no program {program!r}")
        return []
    url = f"http://127.0.0.1:{stand.port}/openapi.json"
    checks = ["--checks", "not_a_server_error", "--max-examples", str(examples), "--seed", "1"]
    command = [found, "run", url, "-H", f"Authorization: Bearer {KEY}", *checks, "--phases", "coverage,fuzzing"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    cases = re.search(r"\d+ generated, .*", done.stdout)
    say("schemathesis on our OpenAPI document", cases.group().strip() if cases else "no result")
    return [] if done.returncode == 0 else [f"schemathesis: {done.stdout[-500:]}"]
