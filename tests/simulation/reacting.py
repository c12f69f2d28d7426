"""What the programs beside the daemon have in common that act upon changes of the switch's database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from tests.simulation.database.server import Database


class Reacting(ABC):
    """A program that looks at the database some time after a change, unless it hangs.

    Args:
        name: What it is called in the history.
        reactor: Keeps the time.
        chance: Draws the delays.
        history: Is told what happens.
        database: The database.

    Attributes:
        hanging: Whether it does nothing at present.
        has_controller: Whether it is connected to its controller.
    """

    def __init__(self, name: str, reactor: Any, chance: Any, history: Any, database: Database) -> None:
        self._name = name
        self._reactor = reactor
        self._chance = chance
        self._history = history
        self._database = database
        self.hanging = False
        self.has_controller = True
        #: When it looks next.
        self._due: IDelayedCall | None = None
        database.on_available(self._look_soon)

    def hang(self) -> None:
        """Do nothing until :meth:`resume`."""
        self._note("hangs")
        self.hanging = True

    def resume(self) -> None:
        """Do what is to do now."""
        self._note("goes on")
        self.hanging = False
        self._look_soon()

    def lose_controller(self) -> None:
        """Lose the connection to the controller."""
        self._note("loses its controller")
        self.has_controller = False

    def find_controller(self) -> None:
        """Connect to the controller again."""
        self._note("has its controller")
        self.has_controller = True

    @abstractmethod
    def _look_soon(self) -> None:
        """Look at the database after a drawn delay."""

    @property
    def _waits(self) -> bool:
        """Whether it is about to look."""
        return self._due is not None and self._due.active()

    @property
    def _idle(self) -> bool:
        """Whether it cannot do anything."""
        return self.hanging or not self._database.available

    def _note(self, what: str) -> None:
        self._history.add(self._reactor.seconds(), self._name, what)
