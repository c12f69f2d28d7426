"""The links between host and containers, made and removed in threads so that the reactor never waits for the kernel.

Making a pair takes the kernel about a millisecond, removing one 15 to 20. So removals have threads of their own, and
no call waits for them. Each thread that changes links keeps one netlink socket open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import TypeVar
from zlib import crc32

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from nuage.errors import LinkError
from nuage.links import veth
from nuage.links.veth import Link, Netlink, NotOurs, Pair
from nuage.told import Told

_Result = TypeVar("_Result")

#: Four removals at once take 6 ms each, one after the other 16 ms each: the kernel waits rather than works.
_REMOVAL_THREADS = 4

#: Seconds before a removal that failed is tried again: doubled each time, up to the second figure.
_FIRST_PAUSE, _LAST_PAUSE = 0.2, 30.0


def open_kernel() -> Netlink:
    """Return the links of the thread's network namespace. The first time takes tens of milliseconds to load."""
    from nuage.links.kernel import Kernel

    return Kernel()


def one_thread(name: str) -> ThreadPool:
    """Return a pool of one thread, which is not started yet."""
    pool = ThreadPool(minthreads=1, maxthreads=1, name=name)
    # The process can end even if the kernel never answers a request.
    pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]
    return pool


class _Lane:
    """One thread with one netlink socket, which is opened for the first change, or by :meth:`prepare`.

    Work is done in the order asked.
    """

    def __init__(self, reactor: IReactorFromThreads, open_netlink: Callable[[], Netlink], pool: ThreadPool) -> None:
        self._reactor = reactor
        self._open_netlink = open_netlink
        self._pool = pool
        self._netlink: Netlink | None = None

    def start(self) -> None:
        self._pool.start()

    def prepare(self) -> None:
        """Open the socket before anybody waits for it. What fails now is tried again, and told, once it is needed."""

        def open_socket() -> None:
            with suppress(LinkError):
                self._work(lambda netlink: netlink.open())

        self._pool.callInThread(open_socket)

    async def stop(self) -> None:
        """Finish what was asked for, close the socket and end the thread."""
        await deferToThreadPool(self._reactor, self._pool, self._close)
        self._pool.stop()

    async def run(self, work: Callable[[Netlink], _Result]) -> _Result:
        """Do the work in the thread. Cancelling stops the wait, not the work."""
        return await deferToThreadPool(self._reactor, self._pool, self._work, work)

    async def passed(self) -> None:
        """Wait until all that was asked for before is done."""
        await deferToThreadPool(self._reactor, self._pool, lambda: None)

    def _work(self, work: Callable[[Netlink], _Result]) -> _Result:
        try:
            if self._netlink is None:
                self._netlink = self._open_netlink()
            return work(self._netlink)
        except LinkError:
            raise
        except Exception as problem:
            # Nobody knows what the socket still holds: the next work gets a new one.
            self._close()
            raise LinkError(f"netlink failed: {problem or type(problem).__name__}") from problem

    def _close(self) -> None:
        netlink, self._netlink = self._netlink, None
        if netlink is not None:
            netlink.close()


@attrs.define(eq=False)
class _Removal:
    """A removal in the background. It ends when the link is gone, or soon after it is no longer wanted."""

    alias: str
    wanted: bool = True
    pause: Deferred[None] | None = None
    waiting: list[Deferred[None]] = attrs.field(factory=list)

    async def given_up(self) -> None:
        """End it: after the attempt that is under way, or at once if it pauses."""
        ended = self.ended()
        self.wanted = False
        if self.pause is not None:
            self.pause.cancel()
        await ended

    def ended(self) -> Deferred[None]:
        """Fire once it is over; it must not be over yet."""
        waiter: Deferred[None] = Deferred()
        self.waiting.append(waiter)
        return waiter


class Links:
    """Makes and removes veth pairs in the daemon's network namespace.

    The caller has to make calls about one link one after the other. Background removals give way by themselves.

    Args:
        reactor: Where results come back to from the threads.
        clock: Measures the pauses between the attempts of a background removal.
        open_netlink: Returns the kernel's links as the calling thread sees them. Each thread calls it, and again after
            its socket broke.
        make_pool: Returns a pool of one thread, by its name.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: IReactorFromThreads,
        clock: IReactorTime,
        open_netlink: Callable[[], Netlink] = open_kernel,
        make_pool: Callable[[str], ThreadPool] = one_thread,
    ) -> None:
        def lane(name: str) -> _Lane:
            return _Lane(reactor, open_netlink, make_pool(name))

        self._clock = clock
        self._making = lane("links")
        self._removing = [lane(f"links-remove-{n}") for n in range(_REMOVAL_THREADS)]
        # Making a pair should not wait for a long list.
        self._listing = lane("links-list")
        self._lanes = (self._making, self._listing, *self._removing)
        self._removals: dict[str, _Removal] = {}
        self._told = Told()
        self._put_off = 0

    def start(self) -> None:
        """Start the threads."""
        for lane in self._lanes:
            lane.start()
        self._making.prepare()

    async def stop(self) -> None:
        """End the threads once they have done what they were asked for; removals that failed are not tried again."""
        while self._removals:
            await next(iter(self._removals.values())).given_up()
        for lane in self._lanes:
            await lane.stop()

    async def create_pair(self, host_name: str, container_name: str, *, mac: str, mtu: int, alias: str) -> None:
        """Make a veth pair whose host end is up and owned by ``alias``, or see that it is there exactly so.

        Args:
            host_name: Name of the host's end, up to 15 characters.
            container_name: Name of the container's end, which stays in this namespace.
            mac: MAC address of the container's end.
            mtu: MTU of both ends, in bytes.
            alias: The owner; an own pair that differs from what is wanted is made again.

        Raises:
            LinkError: The kernel refused; nothing is left behind.
            nuage.links.veth.NotOurs: One of the names is taken by somebody else's link.
        """
        pair = Pair(host_name=host_name, container_name=container_name, mac=mac, mtu=mtu, alias=alias)
        while host_name in self._removals:
            await self._removals[host_name].given_up()
        try:
            await self._making.run(partial(veth.create, pair=pair))
        except CancelledError:
            # The thread goes on and may yet make it.
            self.remove_soon(host_name, alias)
            raise

    async def remove(self, host_name: str, alias: str) -> bool:
        """Remove the pair with this host end if ``alias`` owns it. Return whether it was there.

        Raises:
            LinkError: The kernel refused.
            nuage.links.veth.NotOurs: The link is somebody else's.
        """
        # A pair whose caller gave up may still be in the making: only after that is the link really gone.
        await self._making.passed()
        lane = self._removing[crc32(host_name.encode()) % len(self._removing)]
        return await lane.run(partial(veth.remove, host_name=host_name, alias=alias))

    async def mend(self, name: str, host_name: str, alias: str) -> None:
        """Give the host end ``name`` its name ``host_name`` and its alias back, and set it up, if ``alias`` owns it.

        Raises:
            LinkError: The kernel refused.
            nuage.links.veth.NotOurs: The link is somebody else's, or somebody else's link has the name.
        """
        await self._making.run(partial(veth.mend, name=name, host_name=host_name, alias=alias))

    async def pair(self, host_name: str, alias: str) -> Link | None:
        """Return this host end if ``alias`` owns it; None if there is none, or if it is about to be removed.

        Raises:
            LinkError: The kernel refused.
        """
        if host_name in self._removals:
            return None
        link = await self._listing.run(lambda netlink: netlink.find(host_name))
        return link if link is not None and link.alias == alias else None

    async def owned(self, mark: str) -> Mapping[str, Link]:
        """Return each link in this namespace whose alias starts with ``mark``, by its name.

        A pair whose maker was killed before it set the alias is there with an empty one; :meth:`remove` takes any
        owner for it. A pair that is just being made can look the same.

        Raises:
            LinkError: The kernel refused.
        """
        return await self._listing.run(partial(_owned, mark=mark))

    def remove_soon(self, host_name: str, alias: str) -> None:
        """Remove the pair in the background, again and again until it is gone. A reason to fail is logged once."""
        if host_name not in self._removals:
            removal = self._removals[host_name] = _Removal(alias)
            Deferred.fromCoroutine(self._keep_removing(host_name, removal)).addErrback(
                lambda failure: self._log.failure("removing link {name}", failure, name=host_name)
            )

    async def drained(self) -> None:
        """Wait until no background removal is left."""
        while self._removals:
            await next(iter(self._removals.values())).ended()

    async def _keep_removing(self, host_name: str, removal: _Removal) -> None:
        pause = _FIRST_PAUSE
        try:
            while removal.wanted and not await self._removed(host_name, removal):
                self._put_off += pause == _FIRST_PAUSE
                await self._paused(removal, pause)
                pause = min(2 * pause, _LAST_PAUSE)
        finally:
            del self._removals[host_name]
            self._tell_end()
            for waiter in removal.waiting:
                waiter.callback(None)

    def _tell_end(self) -> None:
        if self._put_off and not self._removals:
            self._log.info("no link waits to be removed any more; {count} had to wait", count=self._put_off)
            self._put_off = 0
            self._told.clear()

    async def _removed(self, host_name: str, removal: _Removal) -> bool:
        """Try once; return whether there is nothing left to be done."""
        try:
            await self.remove(host_name, removal.alias)
        except LinkError as problem:
            hopeless = isinstance(problem, NotOurs)
            new = self._told.is_new("", str(problem))
            tell = self._log.warn if new or hopeless else self._log.debug
            tell("link {name} is not removed: {problem}", name=host_name, problem=str(problem))
            return hopeless
        return True

    async def _paused(self, removal: _Removal, seconds: float) -> None:
        # Given up while its attempt was in a thread: there was no pause to cancel.
        if not removal.wanted:
            return
        removal.pause = deferLater(self._clock, seconds)
        try:
            await removal.pause
        except CancelledError:
            if removal.wanted:
                raise
        finally:
            removal.pause = None


def _owned(netlink: Netlink, mark: str) -> Mapping[str, Link]:
    return {link.name: link for link in netlink.links() if link.alias.startswith(mark) or link.half_made}
