"""``python -m lab up``, ``python -m lab up swarm`` and ``python -m lab down``."""

from __future__ import annotations

import sys
from pathlib import Path

from lab import demo, swarm_demo
from lab.pair import Pair
from lab.shell import CommandFailed, NeverHappened

ROOT = Path("/var/lib/nuage-lab")


def _down(pair: Pair) -> None:
    pair.remove()
    print("The lab is down, and everything of it is removed.")


_COMMANDS = {("up",): demo.up, ("up", "swarm"): swarm_demo.up, ("down",): _down}


def main(arguments: list[str]) -> int:
    """Run one command; return the exit code."""
    command = _COMMANDS.get(tuple(arguments))
    if command is None:
        print(f"usage: {' | '.join(' '.join(('python -m lab', *words)) for words in _COMMANDS)}", file=sys.stderr)
        return 2
    try:
        command(Pair(("h1", "h2"), "fabric", ROOT))
    except (CommandFailed, NeverHappened) as problem:
        print(f"lab: {problem}\nThe logs are in {ROOT}; lab/down removes everything.", file=sys.stderr)
        return 1
    return 0


sys.exit(main(sys.argv[1:]))
