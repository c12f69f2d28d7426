"""Veth pairs, on the real kernel in a network namespace that lives as long as one test; its failures on a fake."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import threading
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import attrs
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads
from twisted.internet.task import Clock, deferLater
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.python.threadpool import ThreadPool
from twisted.trial.unittest import SkipTest, TestCase

from nuage.errors import LinkError
from nuage.links import veth
from nuage.links.kernel import Kernel
from nuage.links.links import Links, one_thread
from nuage.links.veth import GROUP, KernelError, Netlink, NotOurs, Pair

_Result = TypeVar("_Result")
_Problem = TypeVar("_Problem", bound=Exception)

CLONE_NEWNET = 0x40000000
HOST, END = "nu0123456789abc", "nc0123456789abc"
MARK = "nuage endpoint "
ALIAS = MARK + "0123456789abcdef" * 4
OTHER = MARK + "fedcba9876543210" * 4
WANTED: dict[str, Any] = {"mac": "7a:42:00:11:22:33", "mtu": 1400, "alias": ALIAS}
PAIR = Pair(host_name=HOST, container_name=END, **WANTED)

_libc = ctypes.CDLL(None, use_errno=True)


def in_thread(work: Callable[[], _Result]) -> _Result:
    """Run ``work`` in a thread of its own, so that the namespace it moves to is its own too."""
    outcome: list[_Result] = []
    failure: list[Exception] = []

    def run() -> None:
        try:
            outcome.append(work())
        except Exception as problem:
            failure.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def new_namespace() -> int:
    """Return a file that keeps a fresh network namespace alive."""

    def make() -> int:
        _checked(_libc.unshare(CLONE_NEWNET))
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY)

    return in_thread(make)


def demand_namespace() -> int:
    """Return a fresh network namespace; skip the test where none can be made, except in continuous integration."""
    try:
        return new_namespace()
    except PermissionError as problem:
        if os.environ.get("CI") == "true":
            raise
        raise SkipTest("making a network namespace needs root") from problem


def enter(namespace: int) -> None:
    """Move the calling thread into the namespace."""
    _checked(_libc.setns(namespace, CLONE_NEWNET))


async def failure_of(attempt: Awaitable[object], kind: type[_Problem]) -> _Problem:
    """Wait for an attempt that has to fail in this way."""
    try:
        outcome = await attempt
    except kind as problem:
        return problem
    raise AssertionError(f"succeeded with {outcome!r}")


class RealKernel(TestCase):
    """The contract of :class:`Links`. A derived class may have another kernel."""

    timeout = 30

    def setUp(self) -> None:
        self.make_kernel()
        self.clock = Clock()
        self.links = Links(cast(IReactorFromThreads, reactor), self.clock, self.open_netlink)
        self.links.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.links.stop()))

    def make_kernel(self) -> None:
        """Make the kernel, without any link of ours."""
        self.namespace = demand_namespace()
        self.addCleanup(os.close, self.namespace)

    def open_netlink(self) -> Netlink:
        """Return its links for the calling thread."""
        enter(self.namespace)
        return Kernel()

    def take_away(self, name: str) -> None:
        """Move a link to another namespace."""
        sandbox = new_namespace()
        self.addCleanup(os.close, sandbox)
        self.link("set", ifname=name, net_ns_fd=sandbox)

    def kernel(self, work: Callable[[Netlink], _Result]) -> _Result:
        """Do something to the namespace behind the back of the links."""

        def run() -> _Result:
            netlink = self.open_netlink()
            try:
                return work(netlink)
            finally:
                netlink.close()

        return in_thread(run)

    def find(self, name: str) -> veth.Link | None:
        return self.kernel(lambda netlink: netlink.find(name))

    def found(self, name: str) -> veth.Link:
        link = self.find(name)
        assert link is not None, f"there is no link {name}"
        return link

    def link(self, command: str, **details: Any) -> None:
        self.kernel(lambda netlink: netlink.link(command, **details))

    async def create(self, **changes: Any) -> None:
        await self.links.create_pair(HOST, END, **{**WANTED, **changes})

    async def test_no_memory_stays(self) -> None:
        """Of looking at a link that is there, which each removal does."""

        async def look() -> int:
            """Look 300 times; return the memory in use, in bytes."""
            for _ in range(60):
                await self.links._making.run(lambda netlink: [netlink.find(HOST) for _ in range(5)])
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        await self.create()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before = await look()
        self.assertLess((await look() - before) / 300, 40)

    async def test_pair_is_as_asked(self) -> None:
        await self.create()
        host, end = self.found(HOST), self.found(END)
        self.assertEqual((host.alias, host.group, host.mtu, host.up), (ALIAS, GROUP, 1400, True))
        self.assertEqual((end.mac, end.mtu, end.alias, end.group), ("7a:42:00:11:22:33", 1400, "", 0))
        self.assertEqual((host.peer, end.peer), (end.index, host.index))

    async def test_same_pair_again_is_kept(self) -> None:
        await self.create()
        before = self.found(HOST)
        await self.create(mac="7A:42:00:11:22:33")
        self.assertEqual(self.found(HOST), before)

    async def test_own_pair_that_differs_is_made_again(self) -> None:
        for change in ({"mac": "7a:42:00:00:00:01"}, {"mtu": 1500}):
            with self.subTest(**change):
                await self.create()
                before = self.found(HOST)
                await self.create(**change)
                self.assertNotEqual(self.found(HOST).index, before.index)
                end = self.found(END)
                self.assertEqual((end.mac, end.mtu), tuple({**WANTED, **change}[key] for key in ("mac", "mtu")))

    async def test_own_pair_that_is_down_is_made_again(self) -> None:
        await self.create()
        self.link("set", ifname=HOST, state="down")
        await self.create()
        self.assertTrue(self.found(HOST).up)

    async def test_own_pair_whose_end_is_gone_is_made_again(self) -> None:
        await self.create()
        self.take_away(END)
        self.assertIsNone(self.find(END))
        await self.create()
        self.assertEqual(self.found(HOST).peer, self.found(END).index)

    async def test_half_made_pair_is_made_again(self) -> None:
        self.kernel(lambda netlink: veth._add(netlink, PAIR))
        self.assertEqual(await self.aliases(MARK), {HOST: ""})
        await self.create()
        self.assertEqual(await self.aliases(MARK), {HOST: ALIAS})

    async def test_half_made_pair_can_be_removed(self) -> None:
        self.kernel(lambda netlink: veth._add(netlink, PAIR))
        self.assertTrue(await self.links.remove(HOST, ALIAS))
        self.assertIsNone(self.find(HOST))

    async def test_link_of_another_owner_is_left_alone(self) -> None:
        await self.create(alias=OTHER)
        before = self.found(HOST)
        for attempt in (self.create(), self.links.remove(HOST, ALIAS)):
            problem = await failure_of(attempt, NotOurs)
            self.assertIn(f'link {HOST} belongs to "{OTHER}", not to "{ALIAS}"', str(problem))
        self.assertEqual(self.found(HOST), before)

    async def test_link_without_any_mark_is_left_alone(self) -> None:
        self.link("add", kind="veth", ifname=HOST, peer={"ifname": "stranger"})
        for attempt in (self.create(), self.links.remove(HOST, ALIAS)):
            problem = await failure_of(attempt, NotOurs)
            self.assertIn("has no alias", str(problem))
        self.assertIsNotNone(self.find("stranger"))

    async def test_container_name_taken_by_another_link(self) -> None:
        self.link("add", kind="veth", ifname="stranger", peer={"ifname": END})
        problem = await failure_of(self.create(), NotOurs)
        self.assertIn(f"link {END} exists", str(problem))
        self.assertIsNone(self.find(HOST))
        self.assertIsNotNone(self.find("stranger"))

    async def test_what_the_kernel_refuses_is_named(self) -> None:
        cases: list[tuple[dict[str, Any], str]] = [
            ({"mac": "01:00:00:00:00:01"}, "MAC address"),
            ({"mtu": 10}, "check the names and the MTU"),
        ]
        for change, remedy in cases:
            with self.subTest(**change):
                problem = await failure_of(self.create(**change), LinkError)
                self.assertIn(HOST, str(problem))
                self.assertIn(remedy, str(problem))
                self.assertIsNone(self.find(HOST))

    async def test_pair_that_cannot_be_marked_is_undone(self) -> None:
        # IFALIASZ in linux/if.h allows 255 bytes.
        await failure_of(self.create(alias="x" * 300), LinkError)
        self.assertIsNone(self.find(HOST))
        self.assertIsNone(self.find(END))

    async def test_remove(self) -> None:
        await self.create()
        self.assertTrue(await self.links.remove(HOST, ALIAS))
        self.assertIsNone(self.find(HOST))
        self.assertIsNone(self.find(END))
        self.assertFalse(await self.links.remove(HOST, ALIAS))

    async def aliases(self, mark: str) -> dict[str, str]:
        """Return the alias of each link that is owned, by its name."""
        return {name: link.alias for name, link in (await self.links.owned(mark)).items()}

    async def test_mend(self) -> None:
        """Down, renamed, without its alias, and all at once: it is the same link afterwards."""
        await self.create()
        index, end = self.found(HOST).index, self.found(END).index
        for name, changes in (
            (HOST, {"state": "down"}),
            ("eth7", {"ifname": "eth7"}),
            (HOST, {"ifalias": ""}),
            ("eth7", {"ifname": "eth7", "ifalias": ""}),
        ):
            self.link("set", index=index, state="down")
            self.link("set", index=index, **changes)
            await self.links.mend(name, HOST, ALIAS)
            link = self.found(HOST)
            self.assertEqual((link.index, link.alias, link.up, link.peer), (index, ALIAS, True, end))
        self.assertIsNone(self.find("eth7"))

    async def test_what_cannot_be_mended(self) -> None:
        """A link that is gone, one of another owner, a name that somebody else's link has: nothing is changed."""
        self.assertIn("is gone", str(await failure_of(self.links.mend(HOST, HOST, ALIAS), LinkError)))
        await self.create()
        await failure_of(self.links.mend(HOST, HOST, OTHER), NotOurs)
        index = self.found(HOST).index
        self.link("set", index=index, state="down")
        self.link("set", index=index, ifname="eth7")
        self.link("add", kind="bridge", ifname=HOST)
        problem = await failure_of(self.links.mend("eth7", HOST, ALIAS), NotOurs)
        self.assertIn(f"another link has the name {HOST}, which belongs to link eth7", str(problem))
        # It is up at least.
        self.assertEqual((self.found("eth7").index, self.found("eth7").up), (index, True))

    async def test_owned_names_only_what_is_marked(self) -> None:
        await self.create()
        await self.links.create_pair("nu1", "nc1", mac="7a:42:00:00:00:01", mtu=1450, alias=OTHER)
        self.link("add", kind="veth", ifname="nu2", peer={"ifname": "nc2"})
        self.link("add", kind="veth", ifname="nu3", peer={"ifname": "nc3"})
        self.link("set", ifname="nu3", ifalias="of somebody")
        self.assertEqual(await self.aliases(MARK), {HOST: ALIAS, "nu1": OTHER})
        self.assertEqual(await self.aliases(OTHER), {"nu1": OTHER})

    async def test_remove_soon(self) -> None:
        await self.create()
        self.links.remove_soon(HOST, ALIAS)
        self.links.remove_soon(HOST, ALIAS)
        await self.links.drained()
        self.assertIsNone(self.find(HOST))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_one_pair(self) -> None:
        """One that is about to be removed is not, nor is another's."""
        self.assertIsNone(await self.links.pair(HOST, ALIAS))
        await self.create()
        self.assertEqual(await self.links.pair(HOST, ALIAS), self.found(HOST))
        self.assertIsNone(await self.links.pair(HOST, OTHER))
        self.links.remove_soon(HOST, ALIAS)
        self.assertIsNone(await self.links.pair(HOST, ALIAS))
        await self.links.drained()

    async def test_creation_waits_for_a_removal_of_the_same_link(self) -> None:
        await self.create()
        before = self.found(HOST)
        self.links.remove_soon(HOST, ALIAS)
        await self.create()
        after = self.found(HOST)
        await self.links.drained()
        self.assertNotEqual(after.index, before.index)
        self.assertEqual(self.found(HOST), after)

    async def test_creation_that_is_cancelled_leaves_nothing(self) -> None:
        creation = Deferred.fromCoroutine(self.create())
        creation.cancel()
        await failure_of(creation, CancelledError)
        await self.links.drained()
        self.assertIsNone(self.find(HOST))

    async def test_many_at_once(self) -> None:
        names = [(f"nu{n}", f"nc{n}") for n in range(30)]
        made = [
            Deferred.fromCoroutine(self.links.create_pair(host, end, **{**WANTED, "alias": MARK + host}))
            for host, end in names
        ]
        for creation in made:
            await creation
        self.assertEqual(await self.aliases(MARK), {host: MARK + host for host, _ in names})
        for host, _ in names:
            self.links.remove_soon(host, MARK + host)
        await self.links.drained()
        self.assertEqual(await self.aliases(MARK), {})


_LINK = veth.Link(name=HOST, index=7, alias=ALIAS, group=0, mac="", mtu=1400, up=True, carrier=False, peer=None)


class FakeNetlink:
    """One own link, and a kernel that refuses ``failures`` requests of one kind first."""

    def __init__(self, command: str, failures: list[Exception]) -> None:
        self.command = command
        self.failures = failures
        self.alias: str | None = ALIAS
        self.is_open = False
        self.opened = 0

    def of_thread(self) -> Netlink:
        return self

    def open(self) -> None:
        self.opened += not self.is_open
        self.is_open = True

    def link(self, command: str, **kwarg: Any) -> Any:
        self.open()
        self.refuse(command)
        if command == "del":
            self.alias = None
        return []

    def refuse(self, command: str) -> None:
        if command == self.command and self.failures:
            raise self.failures.pop(0)

    def find(self, name: str) -> veth.Link | None:
        self.refuse("get")
        if self.alias is None:
            return None
        return attrs.evolve(_LINK, alias=self.alias)

    def links(self) -> list[veth.Link]:
        link = self.find(HOST)
        return [] if link is None else [link]

    def close(self) -> None:
        self.is_open = False


class PauseClock(Clock):
    """Tells when the next pause begins."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[float] = []
        self.waiting: list[Deferred[None]] = []

    def callLater(
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002
        *args: object,
        **kw: object,
    ) -> IDelayedCall:
        self.begun.append(delay)
        waiting, self.waiting = self.waiting, []
        for waiter in waiting:
            cast(IReactorFromThreads, reactor).callFromThread(waiter.callback, None)
        return super().callLater(delay, callable, *args, **kw)

    def pause(self) -> Deferred[None]:
        waiter: Deferred[None] = Deferred()
        self.waiting.append(waiter)
        return waiter


class Failures(TestCase):
    """What happens when the kernel does not do as it is told."""

    timeout = 30

    def links(self, netlink: FakeNetlink) -> Links:
        self.clock = PauseClock()
        self.events: list[LogEvent] = []
        observer = cast(ILogObserver, self.observe)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        links = Links(cast(IReactorFromThreads, reactor), self.clock, netlink.of_thread)
        links.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(links.stop()))
        return links

    def observe(self, event: LogEvent) -> None:
        if event.get("log_namespace") == "nuage.links.links.Links":
            self.events.append(event)

    async def test_removal_is_tried_until_it_is_true(self) -> None:
        netlink = FakeNetlink("del", [KernelError(errno.EBUSY) for _ in range(10)])
        links = self.links(netlink)
        paused = self.clock.pause()
        links.remove_soon(HOST, ALIAS)
        drained = Deferred.fromCoroutine(links.drained())
        for _ in range(9):
            await paused
            paused = self.clock.pause()
            self.assertNoResult(drained)
            self.clock.advance(self.clock.begun[-1])
        await paused
        self.clock.advance(self.clock.begun[-1])
        await drained
        self.assertIsNone(netlink.alias)
        self.assertEqual(self.clock.begun, [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0])
        self.assertEqual(
            self.told(),
            [
                f"link {HOST} is not removed: cannot remove the link {HOST}: Device or resource busy",
                "no link waits to be removed any more; 1 had to wait",
            ],
        )

    def told(self) -> list[str | None]:
        """Return the lines of the log but those for debugging."""
        return [formatEvent(event) for event in self.events if event["log_level"] > LogLevel.debug]

    async def test_a_reason_that_many_removals_have_is_told_once(self) -> None:
        """It is the kernel's, and not that of one link."""
        netlink = FakeNetlink("get", [KernelError(errno.EPERM) for _ in range(100)])
        netlink.alias = None
        links = self.links(netlink)
        for number in range(50):
            links.remove_soon(f"nu{number:013x}", ALIAS)
        drained = Deferred.fromCoroutine(links.drained())
        while not drained.called:
            self.clock.advance(1)
            await deferLater(cast(Any, reactor), 0)
        lines = self.told()
        self.assertEqual(len(lines), 2)
        self.assertIn("CAP_NET_ADMIN", str(lines[0]))
        self.assertEqual(lines[1], "no link waits to be removed any more; 50 had to wait")

    async def test_removal_of_what_is_not_ours_is_not_tried_again(self) -> None:
        netlink = FakeNetlink("del", [])
        netlink.alias = OTHER
        links = self.links(netlink)
        links.remove_soon(HOST, ALIAS)
        await links.drained()
        self.assertEqual((netlink.alias, self.clock.begun, len(self.events)), (OTHER, [], 1))

    async def test_creation_ends_the_pause_of_a_removal(self) -> None:
        links = self.links(FakeNetlink("del", [KernelError(errno.EBUSY)]))
        paused = self.clock.pause()
        links.remove_soon(HOST, ALIAS)
        await paused
        await links.create_pair(HOST, END, **WANTED)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_stop_gives_up_what_pauses(self) -> None:
        netlink = FakeNetlink("del", [KernelError(errno.EBUSY)])
        links = Links(cast(IReactorFromThreads, reactor), clock := PauseClock(), netlink.of_thread)
        links.start()
        paused = clock.pause()
        links.remove_soon(HOST, ALIAS)
        await paused
        await links.stop()
        self.assertEqual(clock.getDelayedCalls(), [])
        self.assertEqual(netlink.alias, ALIAS)

    async def test_the_list_is_that_of_the_netlink_that_was_passed_in(self) -> None:
        links = self.links(FakeNetlink("get", [OSError(errno.ENOBUFS, "No buffer space available")]))
        problem = await failure_of(links.owned(MARK), LinkError)
        self.assertIn("No buffer space", str(problem))
        self.assertEqual(await links.owned(MARK), {HOST: _LINK})
        self.assertEqual(await links.owned("nuage network "), {})

    async def test_threads_can_be_passed_in(self) -> None:
        """Each lane has a pool of its own, by its name."""
        pools = {}

        def make_pool(name: str) -> ThreadPool:
            pools[name] = one_thread(name)
            return pools[name]

        netlink = FakeNetlink("add", [])
        links = Links(cast(IReactorFromThreads, reactor), Clock(), netlink.of_thread, make_pool)
        self.assertEqual(list(pools), ["links", *(f"links-remove-{n}" for n in range(4)), "links-list"])
        self.assertTrue(all(pool.name == name and not pool.started for name, pool in pools.items()))
        links.start()
        self.assertTrue(all(pool.started for pool in pools.values()))
        await links.stop()
        self.assertFalse(any(pool.started for pool in pools.values()))

    async def test_permission_is_named(self) -> None:
        links = self.links(FakeNetlink("add", [KernelError(errno.EPERM)]))
        problem = await failure_of(links.create_pair(HOST, END, **WANTED), LinkError)
        self.assertIn("CAP_NET_ADMIN", str(problem))

    async def test_broken_socket_is_replaced(self) -> None:
        netlink = FakeNetlink("add", [OSError(errno.ENOBUFS, "No buffer space available")])
        links = self.links(netlink)
        problem = await failure_of(links.create_pair(HOST, END, **WANTED), LinkError)
        self.assertIn("No buffer space", str(problem))
        await links.create_pair(HOST, END, **WANTED)
        self.assertEqual(netlink.opened, 2)

    async def test_socket_that_cannot_be_opened_at_the_start(self) -> None:
        """It is tried again with the first link, whose error says why, and so on; the log has nothing of its own."""
        netlink = FakeNetlink("add", [])
        failures = [OSError(errno.EMFILE, "Too many open files") for _ in range(2)]

        def open_netlink() -> Netlink:
            if failures:
                raise failures.pop()
            return netlink

        links = Links(cast(IReactorFromThreads, reactor), Clock(), open_netlink)
        links.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(links.stop()))
        problem = await failure_of(links.create_pair(HOST, END, **WANTED), LinkError)
        self.assertIn("Too many open files", str(problem))
        await links.create_pair(HOST, END, **WANTED)
        self.assertEqual((netlink.opened, failures), (1, []))

    async def test_looking_at_links_opens_no_socket_that_changes_them(self) -> None:
        made: list[FakeNetlink] = []

        def open_netlink() -> Netlink:
            made.append(FakeNetlink("add", []))
            return made[-1]

        links = Links(cast(IReactorFromThreads, reactor), Clock(), open_netlink)
        links.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(links.stop()))
        await links._making.passed()
        await links.owned("nuage")
        self.assertEqual([each.opened for each in made], [1, 0])

    async def test_socket_is_open_before_the_first_link(self) -> None:
        """Of the thread that makes links: nobody waits for it then."""
        netlink = FakeNetlink("add", [])
        links = self.links(netlink)
        await links._making.passed()
        self.assertEqual(netlink.opened, 1)
