"""The command line of ``twistd nuage-plugin``, and the only place that takes the global reactor."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.logger import ILogObserver, globalLogBeginner
from twisted.python import usage

from nuage import __version__
from nuage.config.loading import load
from nuage.config.settings import Config
from nuage.errors import ConfigurationError, NuageError
from nuage.ovsdb.garbage import collection_paused
from nuage.service import systemd
from nuage.service.clock import measure_steadily
from nuage.service.ending import GRACE, LastResort
from nuage.service.logs import Log, observer


class Options(usage.Options):
    """Options of the command line."""

    synopsis = "[--config FILE] [--dry-run]"
    longdesc = "Docker network driver for Nuage VRS: answers Docker on a unix socket, attaches containers to the VRS."

    optParameters: ClassVar[list[list[str | None]]] = [  # noqa: N815
        ["config", "c", "/etc/nuage/nuage.yaml", "The configuration file, in YAML."],
    ]

    optFlags: ClassVar[list[list[str | None]]] = [  # noqa: N815
        ["dry-run", None, "Audit once, print what would be repaired, change nothing, and end. Docker is not served."],
    ]

    config: Config

    def opt_version(self) -> None:
        """Print the plugin's version and end."""
        print(f"nuage-plugin {__version__}")
        sys.exit(0)

    def postOptions(self) -> None:
        """Read the configuration. If it is wrong, end the start with one message."""
        try:
            self.config = load(Path(self["config"]), os.environ)
        except ConfigurationError as problem:
            # Not a UsageError: ``twistd`` would show all options before the message, and no option is wrong.
            raise SystemExit(f"nuage-plugin: {problem}") from None


class _Application(MultiService):
    """The process around the services: its log, its start and its end.

    ``twistd`` logs to an observer of ours, unless its user named another with ``--logger``.
    """

    def __init__(self, options: Options, level: str) -> None:
        super().__init__()
        self._longest = options.config.call_timeout
        self._last_resort = LastResort()
        twistd: Mapping[str, Any] = options.parent or {}
        self.log = Log(twistd, level)
        self._daemon = not twistd.get("nodaemon")

    def privilegedStartService(self) -> None:
        """Start what needs privileges. If that fails, end the start with one message."""
        try:
            super().privilegedStartService()
        except NuageError as problem:
            if self._daemon:
                # The process that the user started waits for word from ``twistd``: after an exit it would wait forever.
                raise
            raise SystemExit(f"nuage-plugin: {problem}") from None

    def stopService(self) -> Deferred[None]:
        """Stop everything, and make sure that the process ends in time."""
        end = time.monotonic() + self._longest + GRACE
        self._last_resort.due(end - time.monotonic())
        stopped: Deferred[None] = super().stopService()
        # What remains is done at once, unless one of the reactor's own threads hangs.
        return stopped.addBoth(lambda _outcome: self._last_resort.due(min(end - time.monotonic(), GRACE)))

    def setServiceParent(self, parent: Any) -> None:
        """Give the observer to the application. It is the parent, and ``twistd`` looks for it there."""
        parent.setComponent(ILogObserver, self.log.observer)
        super().setServiceParent(parent)


def _end_with_dry_run(options: Options) -> NoReturn:
    """Carry out a dry run here and now: a service of ``twistd`` cannot choose the status of the exit."""
    from nuage.service.dry_run import dry_run

    async def exit_with_status(reactor: Any) -> None:
        raise SystemExit(await dry_run(reactor, options.config))

    def begin(reactor: Any) -> Deferred[None]:
        running = Deferred.fromCoroutine(exit_with_status(reactor))

        def interrupted() -> Deferred[None]:
            running.cancel()
            return running

        reactor.addSystemEventTrigger("before", "shutdown", interrupted)
        return running

    globalLogBeginner.beginLoggingTo(
        [observer({**(options.parent or {}), "nodaemon": True}, "Error")], redirectStandardIO=False
    )
    react(begin)


def makeService(options: Options) -> IService:
    """Build the daemon. ``twistd`` looks for this name."""
    # What is loaded stays: a tenth of the start would go into looking for garbage among it.
    with collection_paused():
        from twisted.internet import reactor

        from nuage.service.machine import Machine
        from nuage.service.plugin import NuagePlugin

    measure_steadily(reactor)
    if options["dry-run"]:
        _end_with_dry_run(options)
    application = _Application(options, options.config.log_level)
    try:
        plugin = NuagePlugin(reactor, options.config, systemd.environment(), application.log, Machine())
    except ConfigurationError as problem:
        raise SystemExit(f"nuage-plugin: {problem}") from None
    plugin.setServiceParent(application)
    # SIGUSR1 is twistd's own signal for its log file; programs that rotate logs send SIGHUP. Without an action they
    # would end the process and leave its socket behind, and Docker would wait for it.
    for number, action in (
        (signal.SIGUSR1, application.log.rotate),
        (signal.SIGHUP, application.log.reopen),
        (signal.SIGUSR2, plugin.audit),
    ):
        signal.signal(number, _in_reactor(reactor, action))
    # By then the reactor has its own handlers.
    reactor.callWhenRunning(_end_once)
    return application


def _in_reactor(reactor: Any, action: Callable[[], None]) -> Callable[[int, Any], None]:
    return lambda _number, _frame: reactor.callFromThread(action)


def _end_once() -> None:
    """Ignore all signals to end after the first: the reactor would log a traceback of an end within an end."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, frame: Any) -> None:
        for each in handlers:
            signal.signal(each, signal.SIG_IGN)
        handler = handlers[signal.Signals(number)]
        assert callable(handler)
        handler(number, frame)

    for number, handler in handlers.items():
        if callable(handler):
            signal.signal(number, end)
