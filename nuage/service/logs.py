"""Which events are logged, and where they go."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LegacyLogObserverWrapper,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    textFileLogObserver,
)
from twisted.python import logfile, syslog

from nuage.status.recent import RecentLines

_LEVELS = {
    "Debug": LogLevel.debug,
    "Info": LogLevel.info,
    "Warn": LogLevel.warn,
    "Error": LogLevel.error,
    "Critical": LogLevel.critical,
}
#: What logs each connection that it opens and closes, and each attempt to make one.
_TALKATIVE = ("twisted.web.client", "twisted.application._client_service")


class Log:
    """The log that ``twistd``'s options ask for.

    Args:
        options: The options of ``twistd`` itself: ``logfile``, ``syslog``, ``prefix``, ``nodaemon``.
        level: Name of the least level that is logged, as the configuration spells it.
    """

    _log = Logger()

    def __init__(self, options: Mapping[str, Any], level: str) -> None:
        self._predicate = LogLevelFilterPredicate()
        self.set_level(level)
        self._file = _file(options)
        self._recent = RecentLines(_unfiltered(options, self._file))
        self.observer: ILogObserver = FilteringLogObserver(self._recent, [self._predicate])

    def lines(self) -> list[str]:
        """Return the last lines, the oldest first."""
        return self._recent.lines()

    def level(self) -> str:
        """Return the least level that is logged, as the configuration spells it."""
        return self._level

    def set_level(self, level: str) -> None:
        """Log this level and those above it, until the next start. The level is spelled as :meth:`level` does."""
        self._level = level
        # The namespace that all others are below.
        self._predicate.setLogLevelForNamespace("", _LEVELS[level])
        for namespace in _TALKATIVE:
            self._predicate.setLogLevelForNamespace(namespace, max(_LEVELS[level], LogLevel.warn))

    def rotate(self) -> None:
        """Begin a new file and keep the former one under a number. Do nothing if the log is not a file."""
        if self._file is not None:
            self._file.rotate()

    def reopen(self) -> None:
        """Open the file by its name again, after another program renamed it. Do nothing if the log is not a file.

        If that fails, the log goes on where it was: otherwise the file would be closed, and never opened again.
        """
        if self._file is None:
            return
        try:
            Path(self._file.path).open("ab").close()
        except OSError as problem:
            self._log.warn(
                "the log stays where it was: {path} cannot be opened: {problem}",
                path=self._file.path,
                problem=problem.strerror,
            )
        else:
            self._file.reopen()


def observer(options: Mapping[str, Any], level: str) -> ILogObserver:
    """Return the observer of a log that stays where it is; see :class:`Log`."""
    return Log(options, level).observer


def _file(options: Mapping[str, Any]) -> logfile.LogFile | None:
    name = options.get("logfile")
    if options.get("syslog") or name == "-" or (not name and options.get("nodaemon")):
        return None
    file: logfile.LogFile = logfile.LogFile.fromFullPath(name or "twistd.log")
    return file


def _unfiltered(options: Mapping[str, Any], file: logfile.LogFile | None) -> ILogObserver:
    if options.get("syslog"):
        return LegacyLogObserverWrapper(syslog.SyslogObserver(options.get("prefix", "")).emit)  # type: ignore[arg-type]
    return textFileLogObserver(sys.stdout if file is None else cast(IO[Any], file))
