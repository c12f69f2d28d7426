"""The simulated kernel does what the real one does: the contract of links, and the same requests to both."""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThreadPool
from twisted.trial.unittest import SynchronousTestCase

from lab.shell import wait_until
from nuage.errors import LinkError
from nuage.links import veth
from nuage.links.kernel import Kernel as RealKernel
from nuage.links.links import Links
from nuage.links.veth import KernelError, Link, Netlink
from tests import test_links
from tests.simulation.chance import Chance
from tests.simulation.devices import Namespace
from tests.simulation.history import History
from tests.simulation.kernel import Kernel
from tests.simulation.netlink import Netlinks
from tests.simulation.reactor import SimReactor
from tests.simulation.threads import Threads
from tests.test_links import ALIAS, END, HOST, MARK, PAIR, WANTED, demand_namespace, enter, in_thread

#: Random sequences that are played to both kernels, and requests in each.
SEQUENCES, REQUESTS = 20, 30
#: Whether this machine's kernel renames links that are up: since Linux 6.2.
LIVE_RENAMING = tuple(map(int, platform.release().split(".")[:2])) >= (6, 2)


def kernel(clock: IReactorTime, seed: int | str = 0) -> Kernel:
    """Return a simulated kernel of the same age as the real one."""
    return Kernel(clock, Chance(seed), History(), live_renaming=LIVE_RENAMING)


class SimulatedLinks(test_links.RealKernel):
    """The contract of :class:`Links`, with real threads on a simulated kernel."""

    def make_kernel(self) -> None:
        """See RealKernel."""
        self.simulated = kernel(Clock())

    def open_netlink(self) -> Netlink:
        """See RealKernel."""
        return Netlinks(self.simulated).open()

    def take_away(self, name: str) -> None:
        """See RealKernel."""
        self.simulated.move(name, Namespace("container"))


def outcome(work: Callable[[], object]) -> str:
    """Return how a request ends."""
    try:
        work()
    except KernelError as problem:
        return errno.errorcode[problem.code]
    return "done"


class RealWorld:
    """The real kernel with a host and two containers, all in the calling thread.

    Args:
        namespaces: Files that keep the namespaces alive.
    """

    def __init__(self, namespaces: list[int]) -> None:
        self._namespaces = namespaces

    @contextmanager
    def inside(self, number: int) -> Iterator[RealKernel]:
        """Be in a namespace."""
        enter(self._namespaces[number])
        with closing(RealKernel()) as netlink:
            yield netlink

    def request(self, number: int, command: str, details: dict[str, Any]) -> str:
        """Make a request, and return how it ends."""
        with self.inside(number) as netlink:
            return outcome(lambda: netlink.link(command, **details))

    def move(self, name: str, source: int, target: int) -> str:
        """Move a link, and return how that ends."""
        with self.inside(source) as netlink:
            return outcome(lambda: netlink.link("set", ifname=name, net_ns_fd=self._namespaces[target]))

    def links(self) -> list[list[Link]]:
        """Return the links of each namespace."""
        found = []
        for number in range(len(self._namespaces)):
            with self.inside(number) as netlink:
                found.append(list(netlink.links()))
        return found


class SimulatedWorld:
    """The same, simulated.

    Args:
        seed: What all choices follow from.
    """

    def __init__(self, seed: int) -> None:
        self.clock = Clock()
        self.kernel = kernel(self.clock, seed)
        self._namespaces = [self.kernel.host, Namespace("first"), Namespace("second")]

    def request(self, number: int, command: str, details: dict[str, Any]) -> str:
        """Make a request, and return how it ends."""
        return outcome(lambda: self.kernel.link(command, self._namespaces[number], **details))

    def move(self, name: str, source: int, target: int) -> str:
        """Move a link, and return how that ends."""
        return outcome(lambda: self.kernel.move(name, self._namespaces[target], source=self._namespaces[source]))

    def links(self) -> list[list[Link]]:
        """Return the links of each namespace."""
        return [self.kernel.links(each) for each in self._namespaces]


class Requests:
    """Draws what is asked of both.

    Args:
        chance: Draws it.
    """

    NAMES = ("nu0", "nu1", "nc0", "nc1", "eth0")
    BAD_NAMES = ("", "a b", "a/b", "a:b", ".", "..", "x" * 16)

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    def next(self, links: list[list[Link]]) -> tuple[str, dict[str, Any]]:
        """Return the method of a world and its arguments.

        Args:
            links: Those that are there, of each namespace.
        """
        chance = self._chance
        number = chance.pick([0, 0, 0, 1, 2])
        there = [link for link in links[number] if link.name != "lo"]
        kind = chance.pick(["add", "add", "set", "set", "set", "del", "move", "move"])
        if kind == "move":
            name = chance.pick([*(link.name for link in there), self._name()])
            return "move", {"name": name, "source": number, "target": (number + chance.number(1, 2)) % 3}
        if kind == "add":
            peer = {"ifname": self._name(), **self._some(address=self._address(), mtu=self._mtu())}
            details = {"kind": "veth", "ifname": self._name(), "peer": peer, **self._some(mtu=self._mtu(), group=7)}
        else:
            details = {"index": chance.pick(there).index} if there and chance.happens(0.9) else {"index": 77}
            if there and chance.happens(0.3):
                details = {"ifname": chance.pick([*(link.name for link in there), self._name()])}
            if kind == "set":
                details |= self._changes(renaming="index" in details)
        return "request", {"number": number, "command": kind, "details": details}

    def _changes(self, *, renaming: bool) -> dict[str, Any]:
        changes = self._some(
            state=self._chance.pick(["up", "up", "down"]),
            ifalias=self._chance.pick(["", "a", "ü" * 100, "x" * 254, "x" * 255]),
            mtu=self._mtu(),
            address=self._address(),
            **{"ifname": self._name()} if renaming else {},
        )
        return changes or {"state": "up"}

    def _some(self, **details: Any) -> dict[str, Any]:
        return {key: value for key, value in details.items() if self._chance.happens(0.4)}

    def _name(self) -> str:
        return self._chance.pick(self.BAD_NAMES if self._chance.happens(0.05) else self.NAMES)

    def _mtu(self) -> int:
        return self._chance.pick([68, 1400, 1500, 9000, 65535, self._chance.pick([10, 67, 65536])])

    def _address(self) -> str:
        usual = ["7A:42:00:00:00:01", "7a:42:00:00:00:02", "02:00:00:00:00:03"]
        return self._chance.pick([*usual, self._chance.pick(["01:00:00:00:00:01", "00:00:00:00:00:00"])])


class SideBySide(SynchronousTestCase):
    """The same requests to the real kernel and to the simulated one."""

    def test_random_requests(self) -> None:
        """They end in the same way, and leave the same links."""
        for seed in range(SEQUENCES):
            namespaces = [demand_namespace() for _ in range(3)]
            try:
                in_thread(partial(self.play, seed, RealWorld(namespaces)))
            finally:
                for each in namespaces:
                    os.close(each)

    def play(self, seed: int, real: RealWorld) -> None:
        """Play one sequence."""
        simulated, requests = SimulatedWorld(seed), Requests(Chance(seed))
        own: dict[str, str] = {}
        for number in range(REQUESTS):
            method, details = requests.next(simulated.links())
            ends = [getattr(world, method)(**details) for world in (real, simulated)]
            what = f"seed {seed}, request {number}: {method} {details}"
            self.assertEqual(ends[0], ends[1], what)
            self.compare(real, simulated, own, what)
        simulated.clock.advance(1)
        wait_until("the carriers are the same", lambda: self.carriers(real) == self.carriers(simulated), 10)

    def compare(self, real: RealWorld, simulated: SimulatedWorld, own: dict[str, str], what: str) -> None:
        """Compare all links. The address that each kernel drew for a link of its own is another one."""
        pairs = list(zip(real.links(), simulated.links(), strict=True))
        for theirs, ours in pairs:
            for one, other in zip(theirs, ours, strict=False):
                if one.mac != other.mac:
                    self.assertEqual(own.setdefault(one.mac, other.mac), other.mac, what)
        for theirs, ours in pairs:
            self.assertEqual(
                [attrs.evolve(link, carrier=False, mac=own.get(link.mac, link.mac)) for link in theirs],
                [attrs.evolve(link, carrier=False) for link in ours],
                what,
            )

    def carriers(self, world: RealWorld | SimulatedWorld) -> list[list[bool]]:
        """Return which links carry traffic."""
        return [[link.carrier for link in links] for links in world.links()]


class SimulatedKernel(SynchronousTestCase):
    """What only the simulated kernel can be asked for."""

    def setUp(self) -> None:
        """Make one, and a pair of ours."""
        self.clock = Clock()
        self.kernel = kernel(self.clock)
        self.netlinks = Netlinks(self.kernel)
        self.netlink = self.netlinks.open()
        veth.create(self.netlink, PAIR)

    def test_life_with_docker(self) -> None:
        """The container's end goes away under another name, comes back, and goes with its namespace."""
        container = Namespace("container")
        self.kernel.take_into(container, END, "eth0")
        self.assertEqual((self.kernel.find(END), self.kernel.links(container)[1].name), (None, "eth0"))
        self.assertFalse(self.found(HOST).carrier)
        self.clock.advance(1)
        self.assertTrue(self.found(HOST).carrier)
        self.kernel.give_back(container, "eth0", END)
        self.clock.advance(1)
        self.assertEqual((self.found(HOST).carrier, self.found(END).up), (False, False))
        self.kernel.take_into(container, END, "eth0")
        self.kernel.destroy(container)
        self.assertIsNone(self.kernel.find(HOST))

    def test_docker_is_refused(self) -> None:
        """What was done before stays."""
        container = Namespace("container")
        self.assertEqual(outcome(lambda: self.kernel.take_into(container, "nu1", "eth0")), "ENODEV")
        self.kernel.take_into(container, END, "eth0")
        self.kernel.link("add", kind="bridge", ifname=END)
        self.assertEqual(outcome(lambda: self.kernel.give_back(container, "eth0", END)), "EEXIST")
        self.assertEqual([link.name for link in self.kernel.links(container)], ["lo", END])

    def found(self, name: str) -> Link:
        """Return a link of the host."""
        link = self.kernel.find(name)
        assert link is not None
        return link

    def test_watched(self) -> None:
        """Each change of a link of the host is told, and none of another namespace."""
        told: list[str] = []
        self.kernel.watch(told.append)
        container = Namespace("container")
        self.kernel.link("set", ifname=HOST, ifalias="a")
        self.kernel.move(END, container)
        self.kernel.link("set", container, ifname=END, ifalias="b")
        self.kernel.link("del", container, ifname=END)
        self.assertEqual(told, [HOST, END, HOST])

    def test_refused(self) -> None:
        """What is refused is refused until it is not, or once. Docker's requests are not concerned."""
        self.kernel.refusing["del"] = KernelError(errno.EPERM)
        self.kernel.broken["links"] = [OSError(errno.ENOBUFS, "No buffer space available")]
        for _ in range(2):
            with self.assertRaisesRegex(LinkError, "CAP_NET_ADMIN"):
                veth.remove(self.netlink, HOST, ALIAS)
        with self.assertRaises(OSError):
            self.netlink.links()
        self.assertEqual(len([*self.netlink.links()]), 3)
        self.kernel.link("del", ifname=HOST)
        self.assertEqual(len([*self.netlink.links()]), 1)

    def test_sockets(self) -> None:
        """Those of the daemon are counted, so that none is forgotten."""
        self.assertEqual(self.netlinks.sockets, 1)
        self.netlink.close()
        self.netlink.close()
        self.assertEqual(self.netlinks.sockets, 0)

    def test_older_kernel(self) -> None:
        """It renames no link that is up."""
        older = Kernel(self.clock, Chance(0), History(), live_renaming=False)
        veth.create(Netlinks(older).open(), PAIR)
        index = getattr(older.find(HOST), "index", None)
        self.assertEqual(outcome(lambda: older.link("set", index=index, ifname="eth7")), "EBUSY")


def _note(results: list[str], _succeeded: bool, result: str) -> None:
    results.append(result)


class ThreadsTests(SynchronousTestCase):
    """Links on a simulated kernel in simulated threads."""

    def start(self, seed: int = 0) -> None:
        """Start the threads."""
        chance = Chance(seed)
        self.world = SimReactor(chance.part("streams"))
        self.reactor = self.world.spawn("daemon")
        self.history = History()
        self.kernel = Kernel(self.reactor, chance.part("kernel"), self.history)
        self.threads = Threads(self.reactor, chance.part("threads"))
        self.netlinks = Netlinks(self.kernel, self.threads.between)
        self.links = Links(self.reactor, self.reactor, self.netlinks.open, cast(Any, self.threads.make_pool))
        self.links.start()

    def work(self, number: int) -> list[Deferred[Any]]:
        """Have a pair made, the links listed, and another pair removed, all at once."""
        pair = [f"nu{number}", f"nc{number}"]
        mine = {**WANTED, "alias": f"{MARK}{number}"}
        asked = (
            self.links.create_pair(*pair, **mine),
            self.links.owned(MARK),
            self.links.remove(f"nu{number - 1}", f"{MARK}{number - 1}"),
        )
        return [Deferred.fromCoroutine(each) for each in asked]

    def run_all(self, seed: int) -> str:
        """Do a lot of work, and return the history."""
        self.start(seed)
        results = [deferred for number in range(20) for deferred in self.work(number)]
        self.assertFalse(any(each.called for each in results))
        self.world.run_for(10)
        for result in results:
            self.successResultOf(result)
        return self.history.text

    def test_the_same_again(self) -> None:
        """One seed, one history; another one, another history."""
        self.assertEqual(self.run_all(1), self.run_all(1))
        self.assertNotEqual(self.run_all(1), self.run_all(2))

    def test_half_made_pairs_are_seen(self) -> None:
        """By a list that is made between the two requests of a pair in the making."""
        seen: set[bool] = set()
        for seed in range(20):
            self.start(seed)
            lists = [self.work(number)[1] for number in range(20)]
            self.world.run_for(10)
            seen |= {link.half_made for each in lists for link in self.successResultOf(each).values()}
        self.assertEqual(seen, {True, False})

    def test_order(self) -> None:
        """Results of one pool come in the order of its work, those of several in any order."""
        orders = set()
        for seed in range(20):
            self.start(seed)
            pools = [self.threads.make_pool(name) for name in "ab"]
            came: list[str] = []
            for pool in pools:
                pool.start()
                for number in range(3):
                    pool.callInThreadWithCallback(partial(_note, came), str, f"{pool.name}{number}")
            self.assertEqual(came, [])
            self.world.run_for(1)
            for name in "ab":
                self.assertEqual([each for each in came if each[0] == name], [f"{name}{n}" for n in range(3)])
            orders.add(tuple(each[0] for each in came))
        self.assertGreater(len(orders), 3)

    def test_a_failure_comes_back(self) -> None:
        """As a failure."""
        self.start()
        self.kernel.refusing["add"] = KernelError(errno.EPERM)
        made = self.work(1)[0]
        self.world.run_for(1)
        self.failureResultOf(made, LinkError)

    def test_pool_of_the_reactor(self) -> None:
        """Everybody in the process may use it."""
        self.start()
        asked = deferToThreadPool(self.reactor, self.reactor.getThreadPool(), int, "7")
        self.assertNoResult(asked)
        self.world.run_for(1)
        self.assertEqual(self.successResultOf(asked), 7)

    def test_held(self) -> None:
        """A kernel that does not answer one thread."""
        self.start()
        self.threads.pools["links"].hold()
        made, listed, _ = self.work(1)
        self.world.run_for(60)
        self.assertEqual((made.called, listed.called), (False, True))
        self.threads.pools["links"].release()
        self.world.run_for(1)
        self.successResultOf(made)

    def test_stop(self) -> None:
        """All that was asked for is done, and no socket stays open."""
        self.start()
        results = self.work(1)
        stopped = Deferred.fromCoroutine(self.links.stop())
        self.world.run_for(1)
        self.successResultOf(stopped)
        self.assertTrue(all(each.called for each in results))
        self.assertEqual((self.netlinks.sockets, [*self.reactor.getDelayedCalls()]), (0, []))

    def test_killed(self) -> None:
        """In the midst of a pair's making, or before or after: nobody learns of it."""
        left = set()
        for seed in range(40):
            self.start(seed)
            results = self.work(1)
            self.reactor.kill()
            self.world.run_for(60)
            self.assertFalse(any(each.called for each in results))
            link = self.kernel.find("nu1")
            left.add(None if link is None else link.half_made)
        self.assertEqual(left, {None, True, False})
