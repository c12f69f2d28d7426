"""Where log events go, and which of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LegacyLogObserverWrapper,
    LogLevel,
    LogLevelFilterPredicate,
    textFileLogObserver,
)
from twisted.python import logfile, syslog

_LEVELS = {
    "Debug": LogLevel.debug,
    "Info": LogLevel.info,
    "Warn": LogLevel.warn,
    "Error": LogLevel.error,
    "Critical": LogLevel.critical,
}


def observer(options: Mapping[str, Any], level: str) -> ILogObserver:
    """Return the observer that ``twistd``'s options ask for, quiet below ``level``.

    Args:
        options: The options of ``twistd`` itself: ``logfile``, ``syslog``, ``prefix``, ``nodaemon``.
        level: A level's name as the configuration spells it.
    """
    predicate = LogLevelFilterPredicate(defaultLogLevel=_LEVELS[level])
    # It tells of each connection that it opens and closes.
    predicate.setLogLevelForNamespace("twisted.web.client", max(_LEVELS[level], LogLevel.warn))
    return FilteringLogObserver(_unfiltered(options), [predicate])


def _unfiltered(options: Mapping[str, Any]) -> ILogObserver:
    if options.get("syslog"):
        return LegacyLogObserverWrapper(syslog.SyslogObserver(options.get("prefix", "")).emit)  # type: ignore[arg-type]
    name = options.get("logfile")
    if name == "-" or (not name and options.get("nodaemon")):
        return textFileLogObserver(sys.stdout)
    return textFileLogObserver(logfile.LogFile.fromFullPath(name or "twistd.log"))
