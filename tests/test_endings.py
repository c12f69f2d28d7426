"""What asks the VSD by itself when the plugin ends: the question is cancelled, which is no bug and no news."""

from __future__ import annotations

from ipaddress import IPv4Interface
from random import Random
from typing import Any, cast

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from nuage.config.settings import Config
from nuage.driver.options import network_of
from nuage.driver.resolving import Resolving
from nuage.ipam.pool import Pool
from nuage.ipam.unfinished import Unfinished
from nuage.model import Endpoint
from nuage.service.addressing import Addressing
from nuage.service.daemon import Daemon
from nuage.service.machine import Machine
from nuage.vrs.errors import NotResolved
from nuage.vsd.directory import Directory
from tests.driver_support import ENDPOINT, NETWORK, network_request
from tests.ipam_support import MemoryRecords
from tests.played_vsd import PlayedVsd

NETWORK_OF_NUAGE = attrs.evolve(network_of(network_request()), ipam=True)
POOL = Pool.all_of(NETWORK_OF_NUAGE)[0]


async def _cancelled(*_arguments: object) -> Any:
    raise CancelledError


class Waiting:
    """A switch whose VRS resolves nothing, and a VSD that is being asked for the reason."""

    async def resolved(self, endpoint_id: str, timeout: float) -> Any:
        """See nuage.vrs.switch.Switch."""
        raise NotResolved("not resolved")

    def controller_connected(self) -> bool:
        """See nuage.vrs.switch.Switch."""
        return True

    def known(self, _endpoint_id: str) -> None:
        """See nuage.driver.containers.Containers."""

    why_unresolved = staticmethod(_cancelled)


class Ends(SynchronousTestCase):
    """Nothing of it is in the log."""

    def setUp(self) -> None:
        self.clock = Clock()

    def end(self, records: MemoryRecords) -> Deferred[None]:
        """Give back what the switch remembers to a VSD that does not answer, and end in the middle."""
        vsd = PlayedVsd()
        vsd.script = lambda _asked: Deferred()
        session = vsd.session(self.clock)
        addressing = Addressing(
            self.clock,
            session=session,
            account="csproot@csp",
            directory=Directory(session, self.clock),
            switch=cast("Any", records),
            docker=cast("Any", None),
            host_name="host",
            form="auto",
            random=Random(1),
        )
        addressing.resume()
        addressing.stop()
        return Deferred.fromCoroutine(session.stop())

    def test_giving_an_address_back(self) -> None:
        """The switch remembers it for the next daemon."""
        records = MemoryRecords()
        self.successResultOf(Deferred.fromCoroutine(Unfinished(cast("Any", records)).note(POOL, POOL.prefix[9])))
        before = dict(records.texts)
        self.successResultOf(self.end(records))
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(records.texts, before)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_asking_why_a_port_is_not_resolved(self) -> None:
        """Nobody waits for that either."""
        waiting = cast("Any", Waiting())
        endpoint = Endpoint(id=ENDPOINT, network_id=NETWORK, mac="m", address=IPv4Interface("10.21.59.2/24"))
        Resolving(waiting, waiting, self.clock, 1.0, waiting).watch(NETWORK_OF_NUAGE, endpoint, None)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_assigning_a_policy(self) -> None:
        """A container was found late."""
        daemon = Daemon(self.clock, Config(), Machine())
        self.patch(daemon.endpoints, "name_endpoint", _cancelled)
        with capturedLogs() as events:
            daemon._found_late(ENDPOINT, None)
        self.assertEqual([formatEvent(each) for each in events if each["log_level"] >= LogLevel.warn], [])
