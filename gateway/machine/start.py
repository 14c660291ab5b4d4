"""`python -m gateway.machine.start MODULE`: one of our programs, begun faster.

Importing makes hardly any garbage, and what it makes lives as long as the process. Looking through it again and again
costs a sixth of the time to start; here nobody looks until the program runs, and never at what was there before.
"""

import gc
import importlib
import sys


def main() -> None:
    """Run the `main` of a module."""
    gc.disable()
    program = importlib.import_module(sys.argv[1])
    gc.freeze()
    gc.enable()
    sys.exit(program.main())


if __name__ == "__main__":
    main()
