"""Makes reports of what the daemon knows already. Nobody is asked for one: neither Docker nor the switch."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import attrs

from nuage import __version__
from nuage.audit import rules
from nuage.audit.auditor import Account
from nuage.model import Network
from nuage.status.ledger import Ledger
from nuage.status.report import AuditSeen, EndpointSeen, NetworkSeen, Problem, Report, State, as_text
from nuage.status.times import Times
from nuage.status.watched import Watch

#: Seconds after which an endpoint that waits is a problem.
_PATIENCE = 60.0

_REMEDIES = {
    State.WAITING: "nuage-plugin explain {subject} says what it waits for",
    State.REFUSED: "correct what the reason names, and start the container again",
    State.SUSPECT: "have DockerEndpoint name the Docker that calls this plugin; if it does, end what uses the link",
}


class Reporter:
    """Makes reports.

    Args:
        times: Knows the time; see :mod:`nuage.status.report`.
        scope: ``local`` or ``global``.
        log_level: Tells what is logged.
        watches: What the daemon works with, in order of dependence.
        ledger: How the endpoints do.
        account: What the auditor did.
        unfinished: Tells what is still to be cleaned up.
        left: Counts the addresses from Nuage that nobody uses, by what becomes of them. None without a VSD.
        process_id: Returns the daemon's.
    """

    def __init__(
        self,
        times: Times,
        *,
        scope: str,
        log_level: Callable[[], str],
        watches: Sequence[Watch],
        ledger: Ledger,
        account: Account,
        unfinished: Callable[[], Collection[str]],
        left: Callable[[], Mapping[str, int]] | None = None,
        process_id: Callable[[], int] = os.getpid,
    ) -> None:
        self._times = times
        self._scope = scope
        self._log_level = log_level
        self._watches = watches
        self._ledger = ledger
        self._account = account
        self._unfinished = unfinished
        self._left = left
        self._process_id = process_id
        self._started = times.now()

    def report(self) -> Report:
        """Return what is known at this moment. It does not wait for anything."""
        now = self._times.now()
        parts = tuple(watch.part() for watch in self._watches)
        endpoints = tuple(sorted(self._endpoints(), key=_order))
        audit = self._audit()
        cleanup = tuple(sorted(self._unfinished()))
        return Report(
            version=__version__,
            pid=self._process_id(),
            time=now,
            started=self._started,
            scope=self._scope,
            log_level=self._log_level(),
            parts=parts,
            networks=_networks(self._ledger.networks().values(), endpoints),
            endpoints=endpoints,
            audit=audit,
            cleanup=cleanup,
            addresses=self._addresses(endpoints),
            problems=(
                *self._away(),
                *_unwell(endpoints, now, waiting=all(part.there for part in parts if part.key != "docker")),
                *self._audited(),
                *_unfinished(cleanup),
            ),
        )

    def _endpoints(self) -> Iterator[EndpointSeen]:
        findings = self._account.findings
        suspects = (
            {each.endpoint_id for each in findings.proposals if isinstance(each, rules.Suspect)} if findings else ()
        )
        for endpoint in self._ledger.endpoints():
            if endpoint.id in suspects:
                reason = "Docker does not know it, but its link carries traffic"
                yield attrs.evolve(endpoint, state=State.SUSPECT, reason=reason)
            else:
                yield endpoint

    def _addresses(self, endpoints: Iterable[EndpointSeen]) -> dict[str, int]:
        if self._left is None:
            return {}
        networks = {network.id for network in self._ledger.networks().values() if network.ipam}
        users = (each for each in endpoints if each.network_id in networks and not each.gone)
        used = sum((each.address is not None) + (each.address_v6 is not None) for each in users)
        return {"in_use": used, **self._left()}

    def _audit(self) -> AuditSeen:
        account = self._account
        return AuditSeen(
            runs=account.runs,
            failures=account.failures,
            last=self._at(account.ended),
            succeeded=self._at(account.succeeded),
            problem=account.problem,
            proposals=tuple(map(str, account.findings.proposals)) if account.findings else (),
            repairs=dict(account.repairs),
        )

    def _at(self, seconds: float | None) -> float | None:
        return None if seconds is None else self._times.at(seconds)

    def _away(self) -> Iterator[Problem]:
        """Name what is away. Of what nobody can tell, the cause is named already."""
        for watch in self._watches:
            watched = watch.watched
            if watched.there() is False:
                yield Problem(subject=watched.key, text=watched.status(), remedy=watched.remedy)

    def _audited(self) -> Iterator[Problem]:
        """Name what the auditor leaves to the operator, and why it could not compare all."""
        account = self._account
        if account.problem is not None and all(watch.watched.there() for watch in self._watches):
            yield Problem(
                subject="audit",
                text=f"the last audit failed: {account.problem}",
                remedy="the next one tries again; nuage-plugin audit --now looks at once",
            )
        for proposal in account.findings.proposals if account.findings else ():
            if isinstance(proposal, rules.Remark):
                yield Problem(subject=proposal.endpoint_id, text=proposal.text, remedy=proposal.remedy)


def _unwell(endpoints: Iterable[EndpointSeen], now: float, *, waiting: bool) -> Iterator[Problem]:
    """Name the endpoints that are not well. With ``waiting`` also those that wait for long, which then has a cause."""
    for endpoint in endpoints:
        late = endpoint.state is State.WAITING and waiting and now - endpoint.since >= _PATIENCE
        if late or (endpoint.state in (State.REFUSED, State.SUSPECT) and not endpoint.gone):
            subject = endpoint.container or endpoint.id[:12]
            yield Problem(
                subject=endpoint.id,
                text=f"{subject}: {endpoint.reason}",
                remedy=_REMEDIES[endpoint.state].format(subject=subject),
            )


def _unfinished(cleanup: Sequence[str]) -> Iterator[Problem]:
    if cleanup:
        yield Problem(
            subject="cleanup",
            text=f"the clean-up of {len(cleanup)} endpoints, networks or addresses is not finished",
            remedy="it is done once the VRS and the VSD take it; the log says what is in the way",
        )


def _networks(networks: Iterable[Network], endpoints: Iterable[EndpointSeen]) -> tuple[NetworkSeen, ...]:
    counts: dict[str | None, Counter[str]] = {}
    for endpoint in endpoints:
        if not endpoint.gone:
            counts.setdefault(endpoint.network_id, Counter())[endpoint.state.value] += 1
    seen = (_network(network, counts.get(network.id, Counter())) for network in networks)
    return tuple(
        sorted(seen, key=lambda each: (each.organization, each.domain, each.zone or "", each.subnet or "", each.id))
    )


def _network(network: Network, counts: Counter[str]) -> NetworkSeen:
    return NetworkSeen(
        id=network.id,
        organization=network.organization,
        domain=network.domain,
        zone=network.zone,
        subnet=network.subnet,
        user=network.user,
        pool=str(network.pool),
        gateway=as_text(network.gateway),
        pool_v6=as_text(network.pool_v6),
        gateway_v6=as_text(network.gateway_v6),
        internal=network.internal,
        gwbridge=network.gwbridge,
        mtu=network.mtu,
        policy_group=network.policy_group,
        redirection_target=network.redirection_target,
        endpoints=dict(counts),
    )


def _order(endpoint: EndpointSeen) -> tuple[str, str, str]:
    return (endpoint.network_id or "", endpoint.container or "", endpoint.id)
