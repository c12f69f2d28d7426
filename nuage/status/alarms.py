"""Has the log tell what goes wrong for long and is told by nobody else: once when it begins, once when it is over.

That is an endpoint that waits, for instance because its policy is still unknown, and an audit that fails. What is away,
what is refused and what clean-up is put off has log lines where it happens.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from nuage.status.report import Problem, Report, State
from nuage.text import joined

#: Seconds between two looks.
_INTERVAL = 10.0


class Alarms(Service):
    """Looks at reports from time to time.

    Args:
        clock: Measures the pauses.
        report: Makes a report.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, report: Callable[[], Report]) -> None:
        self._report = report
        self._told: dict[str, Problem] = {}
        self._failing = False
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    def startService(self) -> None:
        """Begin to look."""
        super().startService()
        self._loop.start(_INTERVAL, now=False)

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()
        self._loop.stop()

    def _look(self) -> None:
        """Look once. A report that fails is logged once, and tried again."""
        try:
            found = _lasting(self._report())
        except Exception:
            if not self._failing:
                self._log.failure("no report for the log")
            self._failing = True
            return
        self._failing = False
        for subject in self._told.keys() - found.keys():
            self._log.info("it is over: {problem}", problem=self._told[subject].text)
        for subject in found.keys() - self._told.keys():
            problem = found[subject]
            self._log.warn("{problem}", problem=joined(problem.text, problem.remedy))
        self._told = found


def _lasting(report: Report) -> dict[str, Problem]:
    """Return the problems that nobody else logs, by what they are about."""
    subjects = {each.id for each in report.endpoints if each.state is State.WAITING} | {"audit"}
    return {problem.subject: problem for problem in report.problems if problem.subject in subjects}
