"""The hosts of a run, which may share a VSD."""

from __future__ import annotations

from collections.abc import Sequence

from tests.simulation import invariants, memory, remedies
from tests.simulation.chance import Chance
from tests.simulation.extent import Extent
from tests.simulation.faults import NO_DELAYS, SHARED, Delays
from tests.simulation.history import History
from tests.simulation.inspection import truth
from tests.simulation.inspection.inspector import Inspector
from tests.simulation.networks import PLACES
from tests.simulation.plan import Step, chapters
from tests.simulation.reactor import SimReactor
from tests.simulation.vsd.owners import Owners
from tests.simulation.vsd.server import Vsd
from tests.simulation.vsd.share import Habits, Share
from tests.simulation.world import INTERVALS, World

#: Audits, and seconds, after which nothing is left of what faults have done. A removal that failed is tried again after
#: at most 30 s.
_AUDITS, _QUIET = 4, 70.0
#: Seconds after which no address is held that a crash left: the daemon looks every ten minutes, and needs to see one
#: twice (nuage.ipam.leftovers).
_LEFTOVERS = 1300.0
#: Seconds within which a daemon has asked Docker and the VSD which addresses are used.
_ASKING = 5.0
#: Seconds within which Docker has removed all there is.
_CLEARING = 300.0


class DataCentre:
    """All hosts, not yet begun.

    Args:
        chance: Draws everything.
        delays: By how much daemons' answers may be late because of what is done to them.
        extent: Which hosts there are, if that is not drawn.
        intervals: Seconds from one audit to the next: see :class:`tests.simulation.extent.Weather`.

    Attributes:
        worlds: The worlds of the hosts' daemons.
        vsd: The VSD, if there is one.
        inspectors: Who asks the daemons how they do.
    """

    def __init__(
        self,
        chance: Chance,
        delays: Delays = NO_DELAYS,
        extent: Extent | None = None,
        intervals: Sequence[float] = INTERVALS,
    ) -> None:
        extent = extent or Extent.draw(chance)
        self.history = History()
        self.reactor = SimReactor(chance)
        self.vsd: Vsd | None = None
        if extent.vsd:
            self.vsd = Vsd(self.reactor, chance.part("vsd"), self.history)
            self._habits = Habits.draw(chance.part("habits"), self.vsd, tuple(PLACES))
        self.worlds = [self._world(number, name, chance, delays, intervals) for number, name in enumerate(extent.hosts)]
        self.inspectors = [Inspector(world, world.chance.part("inspector")) for world in self.worlds]
        self._owners = None if self.vsd is None else Owners(self.vsd, self.worlds)

    def live(self, plan: Sequence[Step]) -> None:
        """Begin, carry out a plan, let everything come to rest, and remove it; see each time whether all is well."""
        before = self.begin()
        *storms, last = chapters(plan) if plan else [()]
        for chapter in storms:
            self._live_through(chapter, patient=False)
        self._live_through(last, patient=True)
        for world in self.worlds:
            world.probe()
        self._finish_commands()
        self.clear()
        self._check_cleared(before)

    def _live_through(self, chapter: Sequence[Step], *, patient: bool) -> None:
        """Carry out one chapter of a plan, and see whether all is well once it is at rest."""
        for step in chapter:
            self.reactor.callLater(step.time, self._carry_out, step)
        self.reactor.run_for(chapter[-1].time if chapter else 0.0)
        self.rest(patient=patient)
        self._check_rest()

    def begin(self) -> Sequence[invariants.State]:
        """Install and start everything; return what there is on each host then."""
        if self.vsd is not None:
            self.vsd.start()
        before = [self._begun(world) for world in self.worlds]
        for inspector in self.inspectors:
            inspector.start()
        return before

    def rest(self, *, patient: bool = True) -> None:
        """Wait until all faults are over, and what they have done is repaired.

        Args:
            patient: Whether to wait, in some runs, for as long as all that may take.
        """
        self.reactor.run_for(max(0.0, max(world.faults_end for world in self.worlds) - self.reactor.seconds()))
        for world in self.worlds:
            # One that was long about its end was not there to be started when that was due.
            world.daemon.start()
            # Errors that nobody has met yet.
            world.kernel.broken.clear()
        self.worlds[0].note("all faults are over")
        self._finish_commands()
        for world in self.worlds:
            remedies.apply(world)
        self._finish_commands()
        self._wait(patient=patient)

    def clear(self) -> None:
        """Remove all containers and networks, and wait for the end of what that leaves to be done."""
        for world in self.worlds:
            world.remove_containers()
        self._finish_commands()
        for world in self.worlds:
            world.disconnect_left()
        self._finish_commands()
        for world in self.worlds:
            world.remove_networks()
        self._finish_commands()
        self._wait(patient=True)

    def _world(self, number: int, name: str, chance: Chance, delays: Delays, intervals: Sequence[float]) -> World:
        share = None if self.vsd is None else Share(self.vsd, name, number, self._habits)
        if number == 0:
            return World(self.reactor, chance, self.history, delays, vsd=share, intervals=intervals)
        reactor = self.reactor.spawn(name, machine=f"/{name}")
        history, chance = self.history.of(name), chance.part(name)
        return World(reactor, chance, history, delays, vsd=share, name=name, intervals=intervals)

    def _carry_out(self, step: Step) -> None:
        world = self.worlds[step.host]
        world.carry_out(step)
        if step.deed in SHARED:
            for other in self.worlds:
                other.fault_lasts(max(0.0, world.faults_end - self.reactor.seconds()))

    def _begun(self, world: World) -> invariants.State:
        world.begin()
        return invariants.state(world)

    def _check_rest(self) -> None:
        for world in self.worlds:
            invariants.check_rest(world)
            memory.check(world)
        self._check_told()
        if self._owners is not None:
            self._owners.check()

    def _check_cleared(self, before: Sequence[invariants.State]) -> None:
        for world, former in zip(self.worlds, before, strict=True):
            invariants.check_cleared(world, former)
            memory.check(world)
        self._check_told()
        if self._owners is not None:
            self._owners.check()

    def _check_told(self) -> None:
        for world, inspector in zip(self.worlds, self.inspectors, strict=True):
            truth.check(world, inspector)
            if self._owners is not None:
                self._owners.check_told(world, inspector.learn("/ipam", _ASKING))

    def _wait(self, *, patient: bool) -> None:
        """Wait until what was left is repaired, and in some runs for as long as that may take."""
        interval = max(world.config.audit_interval for world in self.worlds)
        self.reactor.run_for(max(_QUIET, _AUDITS * interval))
        if self._owners is not None:
            end = self.reactor.seconds() + _LEFTOVERS
            patient = patient and self._habits.patient
            while self.reactor.seconds() < end and (patient or self._owners.problems()):
                self.reactor.run_for(_QUIET)

    def _finish_commands(self) -> None:
        self.reactor.run_until(lambda: not any(world.docker.busy for world in self.worlds), _CLEARING)
