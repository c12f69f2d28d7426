"""What happened in a run, as lines of text."""

from __future__ import annotations


class History:
    """The story of a run. The same seed tells the same story, byte for byte."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, time: float, who: str, what: str) -> None:
        """Note what happened.

        Args:
            time: Virtual seconds since the beginning of the run.
            who: The part of the world, such as ``docker`` or ``kernel``.
            what: What it did or met, in one line.
        """
        self.lines.append(f"{time:.6f} {who}: {what}")

    @property
    def text(self) -> str:
        """The whole story."""
        return "".join(f"{line}\n" for line in self.lines)
