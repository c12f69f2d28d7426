"""Tells what audits find. Nothing is done about it here: the auditor does that by itself."""

from __future__ import annotations

from typing import Any

from twisted.web.iweb import IRequest

from nuage.audit.auditor import Auditor, Findings
from nuage.audit.rules import kind_of
from nuage.status.control import Small, answer
from nuage.status.times import Times


class Audits(Small):
    """``/audit``: what the last audit found; ``/audit?now=1``: what one finds now.

    Args:
        times: Knows when that was.
        auditor: Auditor.
    """

    _app = Small.routes()

    def __init__(self, times: Times, auditor: Auditor) -> None:
        self._times = times
        self._auditor = auditor

    @_app.route("/audit", methods=["GET"])
    async def audit(self, request: IRequest) -> bytes:
        """Tell what would be done."""
        if b"now" in request.args:
            findings = await self._auditor.look()
            return answer(request, _told(self._times.now(), findings, findings.docker_problem))
        account = self._auditor.account
        ended = None if account.ended is None else self._times.at(account.ended)
        return answer(request, _told(ended, account.findings, account.problem))


def _told(ended: float | None, findings: Findings | None, problem: str | None) -> dict[str, Any]:
    proposals = findings.proposals if findings else ()
    return {
        "ended": ended,
        "proposals": [{"kind": kind_of(each), "text": str(each)} for each in proposals],
        "unreadable": list(findings.unreadable) if findings else [],
        "problem": problem,
    }
