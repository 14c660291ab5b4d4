"""`python -m gateway.machine.start MODULE`: one of our programs, begun faster.

Importing makes hardly any garbage, and what it makes lives as long as the process. Looking through it again and again
costs a sixth of the time to start; here nobody looks until the program runs, and never at what was there before.
What takes longest, importing, happens while another program still prepares what this one needs.
"""

import gc
import importlib
import os
import sys
from typing import Final

from gateway.machine.gate import wait_at_gate

INTERRUPTED: Final = 130


def main() -> None:
    """Run the `main` of a module."""
    try:
        gc.disable()
        program = importlib.import_module(sys.argv[1])
        gc.freeze()
        gc.enable()
        wait_at_gate(os.environ)
        sys.exit(program.main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)  # Ctrl-C before the program listens to it


if __name__ == "__main__":
    main()
