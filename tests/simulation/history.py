"""What happened in a run, as lines of text."""

from __future__ import annotations


class History:
    """The story of a run. The same seed tells the same story, byte for byte.

    Attributes:
        lines: The story so far.
        violations: What must never happen, and did.
        counts: How often something happened, by its kind, such as ``call Join`` or ``fault kill``.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.violations: list[str] = []
        self.counts: dict[str, int] = {}

    def add(self, time: float, who: str, what: str) -> None:
        """Note what happened.

        Args:
            time: Virtual seconds since the beginning of the run.
            who: The part of the world, such as ``docker`` or ``kernel``.
            what: What it did or met, in one line.
        """
        self.lines.append(f"{time:.6f} {who}: {what}")

    def violate(self, time: float, who: str, what: str) -> None:
        """Note what must never happen. The run has failed."""
        self.add(time, who, f"VIOLATION: {what}")
        self.violations.append(self.lines[-1])

    def count(self, kind: str) -> None:
        """Count something of a kind, for the summary of what was seen."""
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def of(self, host: str) -> History:
        """Return the part of the story that is about one of several hosts: it names the host, and is in the whole."""
        return _Part(self, host)

    @property
    def text(self) -> str:
        """The whole story."""
        return "".join(f"{line}\n" for line in self.lines)


class _Part(History):
    """What one host adds to the story of several."""

    def __init__(self, whole: History, host: str) -> None:
        super().__init__()
        self._whole = whole
        self._host = host

    def add(self, time: float, who: str, what: str) -> None:
        self._whole.add(time, f"{self._host} {who}", what)

    def violate(self, time: float, who: str, what: str) -> None:
        self._whole.violate(time, f"{self._host} {who}", what)

    def count(self, kind: str) -> None:
        self._whole.count(kind)
