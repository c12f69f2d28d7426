"""``python -m lab up`` and ``python -m lab down``."""

from __future__ import annotations

import sys
from pathlib import Path

from lab.demo import down, up
from lab.shell import CommandFailed, NeverHappened

ROOT = Path("/var/lib/nuage-lab")
_COMMANDS = {"up": up, "down": down}


def main(arguments: list[str]) -> int:
    """Run one command; return the exit code."""
    if len(arguments) != 1 or arguments[0] not in _COMMANDS:
        print(f"usage: python -m lab {'|'.join(_COMMANDS)}", file=sys.stderr)
        return 2
    try:
        _COMMANDS[arguments[0]](ROOT)
    except (CommandFailed, NeverHappened) as problem:
        print(f"lab: {problem}\nThe logs are in {ROOT}; lab/down removes everything.", file=sys.stderr)
        return 1
    return 0


sys.exit(main(sys.argv[1:]))
