"""The routes of Docker's IPAM, and what comes through them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from nuage.errors import Refused
from nuage.ipam.without_vsd import WithoutVsd
from nuage.libnetwork.calls import Calls
from tests.driver_support import OPTIONS
from tests.http_support import Answer, PlayedDriver, Wire, never, post, post_json, site_of
from tests.ipam_support import LabVsd, Plugin
from tests.test_hostile_http import hostile_texts, hostile_values, places

POOL_ID = "nuage:pool=10.21.59.0/24&organization=Enterprise&user=admin&domain=Domain&zone=Zone&subnet=Subnet 2"
GOOD: dict[str, dict[str, Any]] = {
    "RequestPool": {"AddressSpace": "nuage", "Pool": "", "SubPool": "", "Options": OPTIONS, "V6": False},
    "ReleasePool": {"PoolID": POOL_ID},
    "RequestAddress": {"PoolID": POOL_ID, "Address": "", "Options": None},
    "ReleaseAddress": {"PoolID": POOL_ID, "Address": "10.21.59.9"},
}
METHODS = {
    "RequestPool": "request_pool",
    "ReleasePool": "release_pool",
    "RequestAddress": "request_address",
    "ReleaseAddress": "release_address",
}


class Routes(SynchronousTestCase):
    """Which request reaches which method, and how it is answered."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.calls = Calls(self.clock, deadline=25)
        self.ipam = PlayedDriver()
        self.site = site_of(PlayedDriver(), self.calls, self.clock, self.ipam)

    def ask(self, data: bytes) -> Answer:
        """Send one request and return its answer."""
        (answer,) = Wire(self.site).send(data)
        assert answer.headers["Content-Type"] == "application/vnd.docker.plugins.v1.2+json"
        return answer

    def test_each_call_reaches_the_drivers_method(self) -> None:
        """With its request read."""
        for method, name in METHODS.items():
            answer = self.ask(post_json(f"IpamDriver.{method}", GOOD[method]))
            assert (answer.status, answer.json()) == (200, {}), method
            assert self.ipam.calls.pop()[0] == name
        for method, name in (("GetCapabilities", "capabilities"), ("GetDefaultAddressSpaces", "address_spaces")):
            for body in (b"", b"{}", b"nonsense"):
                assert self.ask(post(f"IpamDriver.{method}", body)).status == 200
                assert self.ipam.calls.pop()[0] == name

    def test_the_plugin_is_both(self) -> None:
        """It says so, and goes on to answer the calls of network drivers."""
        assert self.ask(post("Plugin.Activate", b"")).json() == {"Implements": ["NetworkDriver", "IpamDriver"]}
        assert self.ask(post("NetworkDriver.GetCapabilities", b"")).status == 200
        assert self.ipam.calls == []

    def test_without_a_vsd(self) -> None:
        """Docker asks only once what the plugin is: it is the same, and a message says what is missing."""
        self.site = site_of(PlayedDriver(), self.calls, self.clock, WithoutVsd())
        assert self.ask(post("Plugin.Activate", b"")).json() == {"Implements": ["NetworkDriver", "IpamDriver"]}
        for method in ("GetCapabilities", "GetDefaultAddressSpaces"):
            assert self.ask(post(f"IpamDriver.{method}", b"")).status == 200
        for method in ("RequestPool", "RequestAddress"):
            assert "set vsd_url" in self.ask(post_json(f"IpamDriver.{method}", GOOD[method])).json()["Error"]
        for method in ("ReleasePool", "ReleaseAddress"):
            assert self.ask(post_json(f"IpamDriver.{method}", GOOD[method])).json() == {}

    def test_errors(self) -> None:
        """Docker reads "Error" of an IPAM driver, and "Err" where the status is not 200."""

        async def fail(_request: object) -> None:
            raise Refused("it is full")

        self.ipam.work = fail
        answer = self.ask(post_json("IpamDriver.RequestAddress", GOOD["RequestAddress"]))
        assert (answer.status, answer.json()["Error"]) == (200, "it is full")
        for data, status in (
            (post("IpamDriver.RequestAddress", b""), 400),
            (post_json("IpamDriver.RequestAddress", {"PoolID": POOL_ID, "Address": "x"}), 400),
            (post_json("IpamDriver.Nothing", {}), 404),
            (post_json("IpamDriver.RequestPool", {}).replace(b"POST", b"GET", 1), 405),
        ):
            answer = self.ask(data)
            assert answer.status == status
            assert answer.json()["Err"] == answer.json()["Error"] != ""

    def test_a_client_that_hangs_up(self) -> None:
        """What it asked for would be nobody's; what it gives back is given back."""
        for method, undone in (("RequestAddress", True), ("RequestPool", True), ("ReleaseAddress", False)):
            given_up: list[str] = []
            self.ipam.work = lambda _request, given_up=given_up: never(None).addErrback(lambda _f: given_up.append("x"))
            wire = Wire(self.site)
            wire.send(post_json(f"IpamDriver.{method}", GOOD[method]))
            wire.hang_up()
            assert bool(given_up) == undone, method


@st.composite
def spoiled_requests(draw: st.DrawFn) -> bytes:
    """Return a request that would be good but for one to three things in its body."""
    method = draw(st.sampled_from(list(GOOD)))
    body: Any = copy.deepcopy(GOOD[method])
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(body))
        if not found:
            break
        *parents, key = draw(st.sampled_from(found))
        target = body
        for parent in parents:
            target = target[parent]
        change = draw(st.sampled_from(["replace", "replace", "text", "remove", "rename"]))
        if change == "remove":
            del target[key]
        elif change == "rename" and isinstance(target, dict):
            target[draw(hostile_texts)] = target.pop(key)
        elif change == "text":
            target[key] = POOL_ID.replace(
                draw(st.sampled_from(["10.21.59.0", "24", "Zone", "pool"])), draw(hostile_texts)
            )
        else:
            target[key] = draw(hostile_values)
    return post_json(f"IpamDriver.{method}", body)


class Hostile(SynchronousTestCase):
    """Whatever comes: it is answered or refused, and the next call works as if nothing had been."""

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.plugin = Plugin(LabVsd(Path(folder.name)))
        self.addCleanup(self.plugin.stop)
        self.calls = Calls(self.plugin.clock, deadline=25)
        self.site = site_of(PlayedDriver(), self.calls, self.plugin.clock, self.plugin.ipam)
        self.failures: list[Any] = []
        observer: Any = lambda event: self.failures.append(event) if "log_failure" in event else None  # noqa: E731
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def send(self, data: bytes) -> Answer:
        """Send a request, let time pass until it has ended, and return the answer."""
        wire = Wire(self.site)
        wire.send(data)
        drained = Deferred.fromCoroutine(self.calls.drained())
        for _ in range(100):
            if drained.called:
                break
            self.plugin.clock.advance(0.1)
        self.successResultOf(drained)
        (answer,) = wire.answers()
        return answer

    @settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
    @given(spoiled_requests())
    def test_fields(self, request: bytes) -> None:
        """Wrong values, types, names and IDs; nothing of the program's inside is told."""
        answer = self.send(request)
        content = answer.json()
        assert answer.status in (200, 400), answer
        assert len(answer.body) < 20_000
        assert b"Traceback" not in answer.body
        assert str(content.get("Error", "")).isprintable(), content
        assert answer.status == 200 or "Err" in content
        assert self.failures == []
        good = self.send(post_json("IpamDriver.RequestAddress", GOOD["RequestAddress"])).json()
        assert good["Address"].startswith("10.21.59."), good
        released = {"PoolID": POOL_ID, "Address": good["Address"].partition("/")[0]}
        assert self.send(post_json("IpamDriver.ReleaseAddress", released)).json() == {}

    def test_a_conversation(self) -> None:
        """From the pool to its release, each call twice, as Docker has it."""

        def ask(method: str, **body: Any) -> Any:
            first, second = (self.send(post_json(f"IpamDriver.{method}", body)).json() for _ in range(2))
            assert method == "RequestAddress" or first == second
            return first

        assert json.dumps(ask("GetCapabilities")) == '{"RequiresMACAddress": false, "RequiresRequestReplay": false}'
        (space,) = set(ask("GetDefaultAddressSpaces").values())
        pool = ask("RequestPool", **{**GOOD["RequestPool"], "AddressSpace": space})
        assert pool["Data"] == {"com.docker.network.gateway": "10.21.59.1/24"}
        address = ask("RequestAddress", PoolID=pool["PoolID"], Address="10.21.59.9")["Address"]
        assert address == "10.21.59.9/24"
        for released in ("10.21.59.9", "10.21.59.1"):
            assert ask("ReleaseAddress", PoolID=pool["PoolID"], Address=released) == {}
        assert ask("ReleasePool", PoolID=pool["PoolID"]) == {}
