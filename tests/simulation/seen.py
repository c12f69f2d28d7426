"""What runs have seen, summed up."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import attrs

from tests.simulation.extent import CHANGEABLE

#: The group of which only the number of kinds is told.
_MANY = "state"


def digest_of(text: str) -> str:
    """Return the digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@attrs.frozen
class Outcome:
    """What came of one run.

    Attributes:
        seed: What it followed from.
        violations: What must never happen, and did.
        history: The story; empty where only the digest is asked for.
        digest: What tells one history from another.
        counts: How often each kind of thing happened; a kind begins with its group, such as ``call`` or ``fault``.
        seconds: How long the run was in its own time.
        steps: How many steps its plan has.
        cost: Seconds of a core that it took.
    """

    seed: int
    violations: Sequence[str]
    history: str
    digest: str
    counts: dict[str, int]
    seconds: float
    steps: int
    cost: float = 0.0


class Seen:
    """The sum of several runs.

    Args:
        weather: What their faults were like.
    """

    def __init__(self, weather: str = CHANGEABLE) -> None:
        self.weather = weather
        self.seeds = 0
        self.seconds = self.cost = 0.0
        self.failed: list[int] = []
        self._counts: Counter[str] = Counter()
        self._digests: dict[int, str] = {}

    def add(self, outcome: Outcome) -> None:
        """Add a run."""
        self.seeds += 1
        self.seconds += outcome.seconds
        self.cost += outcome.cost
        self._digests[outcome.seed] = outcome.digest
        self._counts.update(outcome.counts)
        if outcome.violations:
            self.failed.append(outcome.seed)

    def total(self, group: str) -> int:
        """Return how often something of a group happened."""
        return sum(count for _, count in self._of(group))

    def summary(self, elapsed: float) -> str:
        """Return what was seen, in lines.

        Args:
            elapsed: Seconds that all took.
        """
        calls, faults = self.total("call"), self.total("fault")
        which = f"{min(self._digests, default=0)} to {max(self._digests, default=0)}, {self.weather}"
        lines = [
            f"{self.seeds:,} seeds ({which}) in {elapsed:.0f} s: {self.seconds / 3600:,.1f} hours of the world, "
            f"{calls:,} calls ({_ratio(calls, self.cost):,.0f} a second of a core), "
            f"{faults:,} faults ({_ratio(faults, calls):.2f} a call)"
        ]
        for group in sorted({kind.partition(" ")[0] for kind in self._counts}):
            kinds = [f"{kind} {count:,}" for kind, count in sorted(self._of(group))]
            lines.append(f"  {group}: {f'{len(kinds):,} different ones' if group == _MANY else ', '.join(kinds)}")
        lines.append(f"digest of all histories: {self.digest()}")
        lines.append(f"{len(self.failed)} of them failed: {self.failed}" if self.failed else "none failed")
        return "\n".join(lines)

    def digest(self) -> str:
        """Return what is the same wherever the same seeds have run, in whatever order."""
        return digest_of("".join(digest for _, digest in sorted(self._digests.items())))

    def _of(self, group: str) -> list[tuple[str, int]]:
        kinds = ((kind.partition(" "), count) for kind, count in self._counts.items())
        return [(rest, count) for (first, _, rest), count in kinds if first == group]


def _ratio(number: float, by: float) -> float:
    return number / by if by else 0.0
