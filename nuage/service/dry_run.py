"""One audit that only says what it would do."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import CancelledError

from nuage.audit.auditor import Findings
from nuage.config.settings import Config
from nuage.errors import NuageError
from nuage.service.daemon import Daemon
from nuage.service.ending import GRACE, LAST_STEPS
from nuage.service.machine import Machine


async def dry_run(reactor: Any, config: Config) -> int:
    """Audit once, print what the daemon would do if it saw the same for a while, and do nothing.

    Args:
        reactor: Does all input and output, keeps the time.
        config: What the user configured.

    Returns:
        The status to exit with: 0, or 1 if not everything could be compared.
    """
    daemon = Daemon(reactor, config, Machine())
    daemon.start()
    try:
        return _say_all(await daemon.auditor.look())
    except CancelledError:
        _say("no audit: it was interrupted")
    except NuageError as problem:
        _say(f"no audit: {problem}")
    except Exception as problem:
        _say(f"no audit: a bug: {problem!r}")
    finally:
        await daemon.stop(GRACE - LAST_STEPS)
    return 1


def _say_all(findings: Findings) -> int:
    for problem in findings.unreadable:
        _say(f"passed over: {problem}")
    for proposal in findings.proposals:
        _say(f"would {proposal}")
    _say(f"{len(findings.proposals)} proposals; nothing was done")
    if findings.docker_problem is None:
        return 0
    _say(f"no complete audit: {findings.docker_problem}")
    return 1


def _say(line: str) -> None:
    """Print to the terminal; ``sys.stdout`` would make it a line of the log."""
    print(line, file=sys.__stdout__, flush=True)
