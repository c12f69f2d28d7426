"""What Docker may rely on at each moment: what it has stays, and what it is told is true.

The faults of a run excuse much: a call may be refused while the switch is away. They do not excuse that something in
use is taken away, that an answer is not true, or that calls are still refused once all is well again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from nuage.names import port_name
from tests.simulation import strangers, truth
from tests.simulation.database.rows import Change, Row
from tests.simulation.faults import contradictions

if TYPE_CHECKING:
    from tests.simulation.docker.plugin import Call
    from tests.simulation.world import World

#: Seconds after the last fault from which on no call is refused any more: longer than the pause between two audits.
_EXCUSED = 45.0
#: Seconds within which all is gone once Docker was told so, or that it is refused, if nothing is wrong meanwhile.
_CLEANING = 15.0
#: The same of its link, which is tried again after at most 30 s if the kernel did not remove it (nuage.links.links).
_RETRYING = 35.0
#: Seconds within which a port that was shut is opened, if nothing is wrong meanwhile.
_OPENING = 10.0
#: Seconds after which an audit that could not do its work is made up for, if audits are not more frequent than that.
_MAKING_UP = 30.0
#: Seconds until that is looked at again.
_AGAIN = 5.0


class Promises:
    """Watches the switch and what the daemon answers.

    Args:
        world: What is watched.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._by_hand = False
        #: When a hand changed the switch last, in seconds of the world.
        self._hand = float("-inf")
        self._macs: dict[tuple[str, str], str] = {}
        #: The ports that were announced since their endpoints were joined.
        self._opened: set[str] = set()
        self._calls = 0
        #: What Docker called last about an endpoint; of networks, only their removal.
        self._last: dict[str, Call] = {}
        world.database.watch(self._rows_changed)
        world.kernel.watch(self._link_changed)

    @contextmanager
    def by_hand(self) -> Iterator[None]:
        """Let hands change the switch: they may do everything."""
        self._hand = self._world.reactor.seconds()
        before, self._by_hand = self._by_hand, True
        try:
            yield
        finally:
            self._by_hand = before

    # The switch.

    def _rows_changed(self, changes: Sequence[Change]) -> None:
        if self._by_hand:
            return
        for change in changes:
            for endpoint_id in sorted(truth.kept(change.table, change.old) - truth.marked(change.table, change.new)):
                self._lost(endpoint_id)
            if change.table == "Bridge" and change.new is not None:
                for network_id in sorted(truth.networks_of(change.old) - truth.networks_of(change.new)):
                    self._network_lost(network_id)
            if strangers.harmed(change):
                self._violate(f"a row of somebody else's in {change.table} is changed")
            if change.table == "Nuage_Port_Table" and change.old is None and change.new is not None:
                self._announced(change.new)

    def _lost(self, endpoint_id: str) -> None:
        """See whether what the switch knew of an endpoint had to go."""
        endpoint = truth.endpoint(self._world.docker.store, endpoint_id)
        if endpoint is None or truth.recorded(self._world.database.store, endpoint_id):
            return
        if self.last_call(endpoint_id) not in ("DeleteEndpoint", "CreateEndpoint") and self._dockerd_lives():
            self._violate(f"endpoint {endpoint_id[:12]} is removed, and Docker has it")

    def _network_lost(self, network_id: str) -> None:
        """See whether what the switch knew of a network had to go."""
        listed = any(network.id == network_id for network in self._world.docker.store.known_networks)
        if listed and self.last_call(network_id) == "":
            self._violate(f"network {network_id[:12]} is forgotten, and Docker has it")

    def _dockerd_lives(self) -> bool:
        dockerd = self._world.docker.dockerd
        return dockerd is not None and dockerd.started

    def has_left(self, endpoint_id: str) -> bool:
        """Tell whether Docker said so, and does not know it.

        One that ends in the middle of a disconnection takes the endpoint for attached when it starts again.
        """
        said = self.last_call(endpoint_id) in ("Leave", "DeleteEndpoint")
        return said and self._last[endpoint_id].began <= self._world.docker.ended

    def last_call(self, endpoint_id: str) -> str:
        """Return the method that Docker called last about an endpoint; of a network, only its removal."""
        calls = self._world.docker.calls
        for call in calls[self._calls :]:
            method, request = call.method.partition(".")[2], call.request or {}
            if method in ("CreateEndpoint", "Join", "Leave", "DeleteEndpoint"):
                self._last[request["EndpointID"]] = call
            elif method == "DeleteNetwork":
                self._last[request["NetworkID"]] = call
        self._calls = len(calls)
        last = self._last.get(endpoint_id)
        return "" if last is None else last.method.partition(".")[2]

    def _announced(self, row: Row) -> None:
        """See whether a port that may now talk has its policy."""
        name = row["name"][0]
        self._opened.add(name)
        found = truth.endpoint_of_port(self._world.docker.store, name)
        # If the VSD has the port already, it knows the policy.
        at_vsd = not row["nuage_domain"][0]
        if found is None or at_vsd or self._world.config.label_policy != "strict":
            return
        store = self._world.docker.store
        group = truth.policy_group(found, truth.container_of(store, found))
        told = row["metadata"].get("nuage-policy-group", "")
        if told != group:
            self._violate(f"port {name} is announced with the policy group {told!r}, not {group!r}")

    def _link_changed(self, name: str) -> None:
        if name in strangers.LINKS and self._world.kernel.find(name) is None and not self._by_hand:
            self._violate(f"link {name} of somebody else's is removed")

    # What the daemon answers.

    def answered(
        self, method: str, request: Mapping[str, Any] | None, began: float, content: Mapping[str, Any] | None, why: str
    ) -> None:
        """See whether an answer is true.

        Args:
            method: What was called.
            request: What was said.
            began: When, in seconds of the world.
            content: The answer, None if it is a refusal.
            why: The reason of a refusal.
        """
        method, request = method.partition(".")[2], request or {}
        if content is None:
            if not (self._may_be_taken(method, request) or self._is_wrong(request)):
                self._refused(method, began, why)
            self._undone(method, request)
        elif method == "DeleteEndpoint":
            self._world.reactor.callLater(_CLEANING, self._see_gone, request["EndpointID"], "deleted", self._process)
        elif self._hand < began:
            checks: Mapping[str, Callable[..., None]] = {
                "CreateNetwork": self._network,
                "CreateEndpoint": self._created,
                "Join": partial(self._joined, began=began),
            }
            check = checks.get(method)
            if check is not None:
                check(request, content)

    def _may_be_taken(self, method: str, request: Mapping[str, Any]) -> bool:
        """Tell whether somebody else may have the address, or has the MAC address, that a user asks for."""
        if method == "RequestAddress":
            return bool(request.get("Address"))
        if method != "CreateEndpoint" or self._world.vsd is None:
            return False
        network = self._world.docker.store.networks.get(request["NetworkID"])
        return network is not None and self._world.vsd.has_mac(network.name, request["Interface"]["MacAddress"])

    def _is_wrong(self, request: Mapping[str, Any]) -> bool:
        """Tell whether a request is about a network that is not what Nuage has."""
        network = self._world.docker.store.networks.get(request.get("NetworkID", ""))
        return network is not None and contradictions.is_wrong(network)

    def _refused(self, method: str, began: float, why: str) -> None:
        if began - self._world.faults_end > _EXCUSED:
            self._violate(f"{method} is refused, and nothing is wrong: {why}")

    def _undone(self, method: str, request: Mapping[str, Any]) -> None:
        """See whether what was refused leaves nothing, unless an earlier attempt succeeded whose answer was lost."""
        check = {"CreateNetwork": self._see_no_network, "CreateEndpoint": self._see_gone}.get(method)
        subject = str(request.get("EndpointID") or request.get("NetworkID"))
        if check is not None and not self._repeated(method, subject):
            self._world.reactor.callLater(_CLEANING, check, subject, "refused", self._process)

    def _repeated(self, method: str, subject: str) -> bool:
        calls = (each for each in reversed(self._world.docker.calls) if each.method.endswith(f".{method}"))
        return next((each.repeated for each in calls if subject in (each.request or {}).values()), False)

    def _network(self, request: Mapping[str, Any], _content: Mapping[str, Any]) -> None:
        if not truth.knows_network(self._world.database.store, request["NetworkID"]):
            self._violate(f"CreateNetwork {request['NetworkID'][:12]} succeeds, and the switch does not have it")

    def _created(self, request: Mapping[str, Any], content: Mapping[str, Any]) -> None:
        endpoint_id, given = request["EndpointID"], request["Interface"]
        if not truth.recorded(self._world.database.store, endpoint_id):
            self._violate(f"CreateEndpoint {endpoint_id[:12]} succeeds, and the switch does not have it")
        mac = (content.get("Interface") or {}).get("MacAddress", "")
        network = self._world.docker.store.networks.get(request["NetworkID"])
        if mac and network is not None and not given["MacAddress"]:
            former = self._macs.setdefault((network.name, given["Address"]), mac)
            if former != mac:
                self._violate(f"address {given['Address']} of {network.name} had the MAC address {former}, now {mac}")

    def _joined(self, request: Mapping[str, Any], _content: Mapping[str, Any], began: float) -> None:
        endpoint_id = request["EndpointID"]
        store = self._world.database.store
        if not any(truth.marked("Interface", row) == {endpoint_id} for row in store.tables["Interface"].rows.values()):
            self._violate(f"Join {endpoint_id[:12]} succeeds, and the switch has no port of it")
        if "Nuage_Port_Table" not in truth.traces(store, endpoint_id):
            # It is shut until Docker tells its policy.
            self._opened.discard(port_name(endpoint_id))
            self._world.reactor.callLater(_OPENING, self._see_open, endpoint_id)
        link = self._world.kernel.find(port_name(endpoint_id))
        # A hand may have changed it since the daemon made it: in this call, which a frozen daemon answers late, or in
        # an earlier one, within the time that a Join may take.
        made = min(began, self._world.reactor.seconds() - self._world.config.call_timeout)
        touched = self._world.links_touched > made
        if not touched and (link is None or not link.up):
            self._violate(f"Join {endpoint_id[:12]} succeeds, and its link is {link}")

    def _see_open(self, endpoint_id: str) -> None:
        """See whether a port that was shut has been opened, if nothing has been wrong for long enough.

        One that was opened, and from which a hand has taken that since, is put back by audits, in their own time.
        """
        # What the VSD was to be told, and was not, the next audit tells it, which does not wait for the interval.
        patience = _OPENING if self._world.vsd is None else _EXCUSED
        if self._world.reactor.seconds() - self._world.faults_end < patience:
            self._world.reactor.callLater(_AGAIN, self._see_open, endpoint_id)
            return
        endpoint = truth.endpoint(self._world.docker.store, endpoint_id)
        shut = "Nuage_Port_Table" not in truth.traces(self._world.database.store, endpoint_id)
        opened = port_name(endpoint_id) in self._opened
        if shut and not opened and endpoint is not None and endpoint.device:
            self._violate(f"endpoint {endpoint_id[:12]} was joined long ago, and is still shut")

    def audited(self, problem: str | None) -> None:
        """See whether audits can do their work again, once nothing has been wrong for long enough.

        Args:
            problem: Why the last one could not, None if it could.
        """
        # In the beginning Docker waits for the daemon, and does not answer it.
        wrong_until = max(self._world.begun, self._world.faults_end)
        if problem is not None and self._world.reactor.seconds() - wrong_until > _EXCUSED:
            self._violate(f"the last audit failed, and nothing is wrong: {problem}")

    @property
    def _process(self) -> object:
        """What stands for the daemon's process."""
        return self._world.daemon.reactor

    def _patience(self, process: object) -> float:
        """Return the seconds until all is gone: what an earlier process has put off is left to audits."""
        return _CLEANING + (0.0 if process is self._process else min(self._world.config.audit_interval, _MAKING_UP))

    def _see_gone(self, endpoint_id: str, why: str, process: object) -> None:
        """See whether all of an endpoint is gone, once nothing has been wrong for long enough.

        Args:
            endpoint_id: The endpoint.
            why: What was done with it: "deleted" or "refused".
            process: The daemon's process that was told so.
        """
        left = truth.traces(self._world.database.store, endpoint_id)
        link = self._world.kernel.find(port_name(endpoint_id)) is not None
        patience = max(self._patience(process), _RETRYING if link and not left else 0.0)
        if self._world.reactor.seconds() - self._world.faults_end < patience:
            self._world.reactor.callLater(_AGAIN, self._see_gone, endpoint_id, why, process)
        elif left or link:
            there = ", ".join([*left, *["link"] * link])
            self._violate(f"endpoint {endpoint_id[:12]} was {why} long ago, and is still there: {there}")

    def _see_no_network(self, network_id: str, why: str, process: object) -> None:
        if self._world.reactor.seconds() - self._world.faults_end < self._patience(process):
            self._world.reactor.callLater(_AGAIN, self._see_no_network, network_id, why, process)
        elif truth.knows_network(self._world.database.store, network_id):
            self._violate(f"network {network_id[:12]} was {why} long ago, and is still remembered")

    def _violate(self, what: str) -> None:
        self._world.history.violate(self._world.reactor.seconds(), "promise", what)
