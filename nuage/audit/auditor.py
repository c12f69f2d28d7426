"""Makes the switch, the kernel and Docker agree again, from time to time and after each interruption.

Something is removed or put back only after each audit has seen it for some seconds: what a call is doing at this very
moment looks like a fault as well, and is soon over. The wait is a time and not a number of audits: an audit that is
asked for while another is under way follows it at once.

The auditor::

              trigger, or the pause is over                     trigger
    waiting -------------------------------> under way ------------------------> under way, another follows
       ^                                      |   ^                                         |
       +----- it ends: a pause begins --------+   +------------- it ends: the next ---------+

The pause is the interval, or only as long as the confirmation takes if something has to be seen again. It is half a
minute at most after an audit that could not do its work because somebody was away: the switch, the kernel, Docker or
the VSD. An audit that fails forgets what was seen. ``stop`` ends the pause or the audit, and nothing follows.

A proposal::

    not seen --seen--> seen --seen by each audit for as long as the confirmation takes--> carried out
        ^               |                                                                    |   ^
        +-- not seen ---+---------------------------------------------------------- not seen-+   +-- seen still

One that takes nothing away and gives nothing to anybody (``HARMLESS``) is carried out when it is first seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from nuage.audit import rules
from nuage.audit.census import Census
from nuage.audit.rules import (
    Forget,
    ForgetNetwork,
    Learn,
    MendLink,
    Name,
    Observation,
    Proposal,
    Remark,
    RemoveLink,
    Restore,
    Suspect,
)
from nuage.driver.endpoints import Endpoints
from nuage.driver.networks import Networks
from nuage.driver.turns import Turns
from nuage.errors import DockerUnavailable, LinkError, NuageError, SwitchError, VsdUnavailable
from nuage.links.links import Links
from nuage.links.veth import Link
from nuage.model import Endpoint, Survey, Trace
from nuage.names import LINK_MARK, link_alias, port_name
from nuage.told import Told
from nuage.vrs.switch import Switch

#: Seconds that something has to be seen before it is acted upon, if the interval is not shorter.
_CONFIRMATION = 5.0
#: Seconds after which an audit that could not do its work is made up for, if the interval is not shorter: what was away
#: may be back, and a long interval is meant for times when all is well.
_MAKING_UP = 30.0
#: What keeps an audit from its work, and passes.
_AWAY = (DockerUnavailable, LinkError, SwitchError, VsdUnavailable)


@attrs.frozen(kw_only=True)
class Findings:
    """The result of one look at everything.

    ``unreadable`` says what was left out because it makes no sense. ``docker_problem`` is why Docker could not be
    asked, None if it could: without Docker's answers, nothing is proposed.
    """

    proposals: list[Proposal]
    unreadable: tuple[str, ...] = ()
    docker_problem: str | None = None


@attrs.define
class Account:
    """What an auditor has done so far.

    ``runs`` and ``failures`` count the audits that could compare all and those that could not. ``ended`` is when the
    last one ended, by the auditor's clock, and ``succeeded`` when the last one did that could compare all. ``findings``
    is what the last one found, None if it could not look; ``problem`` is why it could not compare all, None if it
    could. ``repairs`` counts what was done, by kind.
    """

    runs: int = 0
    failures: int = 0
    ended: float | None = None
    succeeded: float | None = None
    findings: Findings | None = None
    problem: str | None = None
    repairs: Counter[str] = attrs.field(factory=Counter)


class Auditor:
    """Audits periodically.

    Args:
        clock: Measures the interval.
        interval: Seconds between two audits.
        switch: The VRS.
        links: The links in the kernel.
        census: Asks Docker.
        endpoints: Carries out what concerns endpoints.
        networks: Carries out what concerns networks.
        turns: Tells which endpoints a call is about.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        interval: float,
        *,
        switch: Switch,
        links: Links,
        census: Census,
        endpoints: Endpoints,
        networks: Networks,
        turns: Turns,
    ) -> None:
        self._clock = clock
        self._interval = interval
        self._switch = switch
        self._links = links
        self._census = census
        self._endpoints = endpoints
        self._networks = networks
        self._turns = turns
        self._age = min(interval, _CONFIRMATION)
        self._since: dict[Proposal, float] = {}
        self._records: dict[str, str] = {}
        self._told = Told()
        self._unreadable = Told()
        self._bugs = Told()
        self._next: IDelayedCall | None = None
        self._running: Deferred[None] | None = None
        self._again = False
        self._put_off = False
        self.account = Account()

    def trigger(self) -> None:
        """Audit now, or once more after the audit that is under way."""
        if self._running is not None:
            self._again = True
        else:
            self._begin(sparing=False)

    def _begin(self, *, sparing: bool) -> None:
        self._unschedule()
        self._running = Deferred.fromCoroutine(self._audit(sparing=sparing))
        self._running.addErrback(self._failed)
        self._running.addCallback(self._ended)

    def stop(self) -> None:
        """Audit no more."""
        self._again = False
        self._unschedule()
        if self._running is not None:
            self._running.cancel()
        self._unschedule()

    async def look(self, *, sparing: bool = False) -> Findings:
        """Look at everything once and return what should be done, without doing it.

        Args:
            sparing: Do not ask Docker if there is no endpoint to ask about. If systemd holds Docker's socket, a
                question starts a Docker that was stopped.

        Raises:
            NuageError: The switch or the kernel cannot be looked at.
        """
        await self._switch.ready()
        links = await self._links.owned(LINK_MARK)
        networks = {network.id: network for network in self._switch.networks()}
        idle = sparing and not (links or self._since or self._switch.has_endpoints())
        docker, docker_problem = (None, None) if idle else await self._answered(self._census.take())
        # The switch after what Docker lists: the time that took cannot make the switch look older than Docker. And
        # before the rest, which Docker is asked because of what the switch has.
        survey = self._switch.survey()
        if docker is not None:
            docker, docker_problem = await self._answered(self._completed(docker, survey, networks, links))
        self._remember(survey.traces, docker)
        proposals = rules.propose(
            Observation(
                traces=survey.traces,
                networks=networks,
                links=links,
                docker=docker,
                busy=self._busy(survey.traces, links, docker),
                foreign=survey.foreign,
                mtus={network.id: network.mtu for network in networks.values() if network.mtu is not None},
            )
        )
        unreadable = tuple(docker.unreadable.values()) if docker else ()
        return Findings(proposals=proposals, unreadable=unreadable, docker_problem=docker_problem)

    async def _answered(self, question: Awaitable[rules.Docker]) -> tuple[rules.Docker | None, str | None]:
        """Return what Docker says, or why it says nothing."""
        try:
            return await question, None
        except DockerUnavailable as problem:
            self._log.debug("the audit does without Docker: {problem}", problem=str(problem))
            return None, str(problem)

    async def _completed(
        self, docker: rules.Docker, survey: Survey, networks: Collection[str], links: Mapping[str, Link]
    ) -> rules.Docker:
        """Ask Docker for what it does not list and switch or kernel have, and whether it has what containers name."""
        docker = await self._census.without_deleted(docker, rules.doubtful_in_docker(docker, links))
        missing = rules.missing_in_docker(survey.traces, docker)
        theirs = dict.fromkeys(network_id for missed in missing if (network_id := survey.traces[missed].network_id))
        if rules.has_unnamed(links, {*survey.traces, *survey.foreign}, docker):
            # Nobody but Docker tells on which network such an endpoint is.
            theirs |= dict.fromkeys(docker.networks)
        docker = await self._census.with_others(docker, theirs)
        return await self._census.with_elsewhere(docker, rules.unlisted_in_docker(networks, docker))

    def _busy(self, traces: Iterable[str], links: Mapping[str, Link], docker: rules.Docker | None) -> Collection[str]:
        """Return the endpoints that a call is about at this moment, of those that were seen anywhere."""
        subjects = {*traces, *(link.alias.removeprefix(LINK_MARK) for link in links.values())}
        subjects |= {*docker.in_use} if docker else set()
        return {subject for subject in subjects if self._turns.taken(subject)}

    async def _audit(self, *, sparing: bool) -> None:
        begin = self._clock.seconds()
        findings = await self.look(sparing=sparing)
        end = self._clock.seconds()
        self._note(findings, findings.docker_problem)
        self._log.debug("audit: {count} proposals", count=len(findings.proposals))
        self._bugs.clear()
        self._tell_unreadable(findings.unreadable)
        # What a look saw was there when it ended; what the next one sees was there when that began.
        self._since = {proposal: self._since.get(proposal, end) for proposal in findings.proposals}
        self._put_off = False
        for proposal, since in tuple(self._since.items()):
            if isinstance(proposal, rules.HARMLESS) or begin >= since + self._age:
                await self._carry_out(proposal)
        self._told.keep(self._since)
        self._endpoints.end_searches()

    def _tell_unreadable(self, problems: Collection[str]) -> None:
        self._unreadable.keep(problems)
        for problem in problems:
            if self._unreadable.is_new(problem):
                self._log.warn("audit: {problem}", problem=problem)

    async def _carry_out(self, proposal: Proposal) -> None:
        """Do what was proposed. If it fails, the others are done all the same."""
        try:
            done = await self._steps()[type(proposal)](proposal)
        except CancelledError:
            raise
        except NuageError as problem:
            self._put_off |= isinstance(problem, _AWAY)
            self._refused(proposal, str(problem))
        except Exception as problem:
            if self._told.is_new(proposal, repr(problem)):
                self._log.failure("audit: cannot {proposal}", proposal=str(proposal))
        else:
            # False: a call has changed it since the look.
            if done is not False:
                self._tell_done(proposal)

    def _tell_done(self, proposal: Proposal) -> None:
        """Log and count what was done. What is put off is proposed again, and carried out again, until it is true."""
        if self._told.is_new(proposal):
            if not isinstance(proposal, rules.TOLD):
                self.account.repairs[rules.kind_of(proposal)] += 1
            tell = self._log.warn if isinstance(proposal, rules.TOLD) else self._log.info
            tell("audit: {proposal}", proposal=str(proposal))

    def _refused(self, proposal: Proposal, problem: str) -> None:
        """Log a refusal. It is tried again at each audit, and logged again if the reason changes."""
        if self._told.is_new(proposal, problem):
            self._log.warn("audit: cannot {proposal}: {problem}", proposal=str(proposal), problem=problem)

    def _steps(self) -> Mapping[type, Callable[..., Awaitable[object]]]:
        return {
            Forget: lambda proposal: self._endpoints.forget_endpoint(proposal.endpoint_id),
            ForgetNetwork: lambda proposal: self._networks.forget_lost_network(proposal.network_id),
            MendLink: self._mend,
            RemoveLink: self._remove_link,
            Name: lambda proposal: self._endpoints.name_endpoint(proposal.endpoint_id, proposal.container),
            Learn: lambda proposal: self._networks.learn_network(proposal.request),
            Restore: self._restore,
            Suspect: self._leave_alone,
            Remark: self._leave_alone,
        }

    async def _leave_alone(self, _proposal: Suspect | Remark) -> None:
        """Do nothing: it is only reported."""

    async def _remove_link(self, proposal: RemoveLink) -> bool:
        """Remove a link, unless a Join has made it its own since the look."""
        endpoint_id = proposal.alias.removeprefix(LINK_MARK)
        async with self._turns.turn(endpoint_id):
            if self._switch.trace(endpoint_id).attached:
                return False
            return await self._links.remove(proposal.name, proposal.alias)

    async def _mend(self, proposal: MendLink) -> None:
        endpoint_id = proposal.endpoint_id
        async with self._turns.turn(endpoint_id):
            await self._links.mend(proposal.name, port_name(endpoint_id), link_alias(endpoint_id))

    async def _restore(self, proposal: Restore) -> bool:
        endpoint = self._remembered(proposal.endpoint_id)
        if endpoint is None:
            endpoint = await self._census.endpoint(proposal.network_id, proposal.endpoint_id, proposal.container)
        if endpoint is None:
            return False
        network = await self._networks.get(endpoint.network_id)
        return await self._endpoints.restore_endpoint(network, endpoint, proposal.container)

    def _remember(self, traces: Mapping[str, Trace], docker: rules.Docker | None) -> None:
        """Keep the records of endpoints for as long as Docker may have them, in case the switch loses them."""
        self._records |= {endpoint_id: trace.record for endpoint_id, trace in traces.items() if trace.record}
        if docker is not None and docker.complete:
            there = {*traces, *docker.in_use}
            self._records = {key: value for key, value in self._records.items() if key in there}

    def _remembered(self, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint as an earlier audit saw it, before somebody removed its row by hand."""
        try:
            return Endpoint.from_record(self._records.get(endpoint_id, ""))
        except ValueError:
            return None

    def _note(self, findings: Findings | None, problem: str | None) -> None:
        account = self.account
        account.ended, account.findings, account.problem = self._clock.seconds(), findings, problem
        account.runs += problem is None
        account.failures += problem is not None
        if problem is None:
            account.succeeded = account.ended

    def _failed(self, failure: Failure) -> None:
        # Nobody knows what was there meanwhile.
        self._since.clear()
        if not failure.check(CancelledError):
            self._note(None, failure.getErrorMessage() if failure.check(NuageError) else f"a bug: {failure.value!r}")
        if failure.check(NuageError):
            self._log.debug("no audit: {problem}", problem=failure.getErrorMessage())
        elif not failure.check(CancelledError) and self._bugs.is_new("", repr(failure.value)):
            self._log.failure("the audit failed", failure)

    def _ended(self, _result: object) -> None:
        self._running = None
        if self._again:
            self._again = False
            self.trigger()
            return
        self._next = self._clock.callLater(self._pause(), partial(self._begin, sparing=True))

    def _pause(self) -> float:
        """Return the seconds until the next audit."""
        # What needs no second look was done, or could not be.
        if any(not isinstance(proposal, rules.HARMLESS) and self._is_due(proposal) for proposal in self._since):
            return self._age
        if self._put_off or self.account.problem is not None:
            return min(self._interval, _MAKING_UP)
        return self._interval

    def _is_due(self, proposal: Proposal) -> bool:
        """Tell whether the next audit should not wait: something has to be done, or reported if it is still there."""
        return not isinstance(proposal, rules.TOLD) or not self._told.knows(proposal)

    def _unschedule(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
