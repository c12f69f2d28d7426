"""What is said of a container that does not talk: the first broken stage is the answer, and names the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import attrs
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nuage.docker.descriptions import Endpoint as DockerEndpoint
from nuage.docker.descriptions import Listed
from nuage.libnetwork.calls import Ended
from nuage.links.veth import GROUP, Link
from nuage.model import Container, Endpoint, Network, Trace
from nuage.names import link_alias, port_name
from nuage.status.explain import chain
from nuage.status.facts import DockerView, Explanation, Facts, Stage, Verdict
from nuage.status.recent import RecentCalls
from nuage.vrs.views import Attachment, Resolution, ToldEntity, ToldPort

ID = "a31e991e80064598c4a883ba928395482d2f91ee59d965323a95085bb35fa8dd"
NAME = port_name(ID)
MAC = "7a:42:0a:15:3b:02"
QUARANTINE = {"nuage.policy-group": "quarantine"}
TOLD_QUARANTINE = {"nuage-policy-group": "quarantine"}

NETWORK = Network(
    id="n" * 64,
    organization="Enterprise",
    user="admin",
    domain="Domain",
    zone="Zone",
    subnet="Subnet 2",
    pool=IPv4Network("10.21.59.0/24"),
    gateway=IPv4Address("10.21.59.1"),
)
ENDPOINT = Endpoint(id=ID, network_id=NETWORK.id, mac=MAC, address=IPv4Interface("10.21.59.2/24"))
WEB = Container(id="c" * 64, name="web")
RUNNING = DockerView(
    listed=Listed(container=WEB, state="running"),
    endpoint=DockerEndpoint(id=ID, mac=MAC, ipv4="10.21.59.2/24"),
    network="mynet",
)
TRACE = Trace(
    network_id=NETWORK.id,
    record=ENDPOINT.to_record(),
    attached=True,
    announced=True,
    waiting=False,
    container_id=WEB.id,
    container_name="web",
)
LINK = Link(name=NAME, index=7, alias=link_alias(ID), group=GROUP, mac=MAC, mtu=1450, up=True, carrier=True, peer=6)
ATTACHMENT = Attachment(port=NAME, interface_uuid="i", port_uuid="p", ofport=5, error=None, container_id=WEB.id)
PORT = ToldPort(mac=MAC, domain="Domain", zone="Zone", subnet="Subnet 2", address="10.21.59.2", policy={})
ENTITY = ToldEntity(name="web", organization="Enterprise")
RESOLUTION = Resolution(address="10.21.59.2", mask="255.255.255.0", gateway="10.21.59.1", vrf_id=1, evpn_id=2)
#: An endpoint with which all is well.
WELL = Facts(
    endpoint_id=ID,
    docker=RUNNING,
    network=NETWORK,
    endpoint=ENDPOINT,
    trace=TRACE,
    link=LINK,
    bridge="alubr0",
    attachment=ATTACHMENT,
    port=PORT,
    entity=ENTITY,
    resolution=RESOLUTION,
    controller=True,
    mtu=1450,
    label_policy="strict",
    resolve_timeout=10.0,
)
#: The same of which the VRS was not told, because Docker does not tell the labels.
SHUT: Mapping[str, Any] = {
    "port": None,
    "entity": None,
    "resolution": None,
    "trace": attrs.evolve(TRACE, container_id=None, container_name=None, announced=False),
}


def labelled(labels: Mapping[str, str]) -> DockerView:
    """Return what Docker says of the container if it has labels."""
    container = attrs.evolve(WEB, labels=labels)
    return attrs.evolve(RUNNING, listed=Listed(container=container, state="running"))


def state(word: str, **more: Any) -> DockerView:
    """Return what Docker says of the container if it does not run."""
    return attrs.evolve(RUNNING, listed=Listed(container=WEB, state=word), **more)


def answer(facts: Facts) -> Stage | None:
    """Return the answer of a chain."""
    stages = chain(facts)
    return Explanation(container="web", network="mynet", endpoint_id=ID, stages=stages).answer


class ChainTests(SynchronousTestCase):
    """One endpoint with which all is well, and what changes if something is not."""

    def answer(self, **changes: Any) -> Stage:
        """Return the answer if some facts differ."""
        found = answer(attrs.evolve(WELL, **changes))
        assert found is not None
        return found

    def assert_answer(self, name: str, verdict: Verdict, text: str, remedy: str, **changes: Any) -> None:
        """Assert which stage is the answer, and that its text and its remedy hold some words."""
        found = self.answer(**changes)
        self.assertEqual((found.name, found.verdict), (name, verdict), found)
        self.assertIn(text, found.text)
        self.assertIn(remedy, found.remedy or found.text)

    def broken(self, name: str, text: str, remedy: str, **changes: Any) -> None:
        """Assert that this stage is the answer, and broken."""
        self.assert_answer(name, Verdict.BROKEN, text, remedy, **changes)

    def test_all_is_well(self) -> None:
        """Each stage says what is there, and there is no answer."""
        self.assertIsNone(answer(WELL))
        self.assertEqual({stage.verdict for stage in chain(WELL)}, {Verdict.OK})
        told = " | ".join(stage.text for stage in chain(WELL))
        for part in ('container "web" runs, with 10.21.59.2/24', 'network "mynet"', "MTU 1450", "ofport 5", "vrf 1"):
            self.assertIn(part, told)

    def test_the_way_out(self) -> None:
        """It is told where it is not the gateway."""
        for network, told in (
            (attrs.evolve(NETWORK, gwbridge=True), "its way out is docker_gwbridge, past the VRS"),
            (attrs.evolve(NETWORK, internal=True), "it has no way out (--internal)"),
        ):
            (_, stage, *_) = chain(attrs.evolve(WELL, network=network))
            self.assertEqual(stage.verdict, Verdict.OK)
            self.assertIn(told, stage.text)

    def test_the_first_broken_stage_is_the_answer(self) -> None:
        """What waits or is not known before it is not, and what is broken after it follows from it."""
        docker = DockerView(problem="Docker at unix:///x (DockerEndpoint): GET /networks: no answer")
        down = attrs.evolve(LINK, up=False, carrier=False)
        self.broken("link", "is down", f"ip link set {NAME} up", docker=docker, link=down, port=None, resolution=None)

    def test_docker(self) -> None:
        """A container that does not run, or that Docker no longer has; a Docker that does not answer."""
        self.broken("Docker", "is exited", "docker start web", docker=state("exited"))
        failed = state("created", failure="the VRS did not resolve the port")
        self.broken("Docker", "did not resolve", "correct what this names", docker=failed)
        self.broken("Docker", "is paused", "docker unpause web", docker=state("paused"))
        self.broken("Docker", ID, "nuage-plugin audit", docker=DockerView())
        moved = attrs.evolve(RUNNING, endpoint=DockerEndpoint(id=ID, mac=MAC, ipv4="10.21.59.9/24"))
        self.broken("Docker", "Docker 10.21.59.9/24, the switch 10.21.59.2/24", "docker restart web", docker=moved)
        self.assert_answer(
            "Docker", Verdict.UNKNOWN, "no answer", "DockerEndpoint", docker=DockerView(problem="no answer")
        )

    def test_network(self) -> None:
        """A network that the switch has lost."""
        self.broken("network", 'no record of network "mynet"', "the next audit", network=None)

    def test_link(self) -> None:
        """Gone, renamed, down, without its other end, with another MTU than its network's."""
        self.broken("link", f"there is no link {NAME}", "docker restart web", link=None)
        self.broken("link", "is now called eth7", "the next audit", link=attrs.evolve(LINK, name="eth7"))
        self.broken("link", "lost its alias", "the next audit", link=attrs.evolve(LINK, alias=""))
        self.broken("link", "is down", f"ip link set {NAME} up", link=attrs.evolve(LINK, up=False, carrier=False))
        self.broken("link", "no carrier", "docker restart web", link=attrs.evolve(LINK, carrier=False))
        self.broken("link", "is 1400, that of its network 1450", f"mtu {1450}", link=attrs.evolve(LINK, mtu=1400))
        jumbo = attrs.evolve(NETWORK, mtu=9000)
        self.broken("link", "is 1450, that of its network 9000", f"ip link set {NAME} mtu 9000", network=jumbo)
        self.assert_answer("link", Verdict.UNKNOWN, "netlink failed", "", link=None, link_problem="netlink failed")

    def test_port(self) -> None:
        """Gone, without its marks, not opened, impossible to open."""
        self.broken("bridge port", f"alubr0 has no port {NAME}", "the next audit", attachment=None)
        unmarked = attrs.evolve(TRACE, marked=False)
        self.broken("bridge port", "external_ids", "the next audit", trace=unmarked)
        failed = attrs.evolve(ATTACHMENT, ofport=-1, error="no such device")
        self.broken("bridge port", "no such device", f"ovs-vsctl del-port {NAME}", attachment=failed)
        waiting = attrs.evolve(ATTACHMENT, ofport=None)
        self.assert_answer("bridge port", Verdict.WAITING, "not opened", "ovs-vswitchd", attachment=waiting)

    def test_rows(self) -> None:
        """Deleted or changed by hand, each of the two."""
        self.broken("Nuage_Port_Table", "somebody removed it", "the next audit", port=None, resolution=None)
        self.broken("Nuage_VM_Table", "somebody removed it", "the next audit", entity=None)
        self.broken(
            "Nuage_Port_Table",
            "its zone is Zonne, it should be Zone",
            "docker restart web",
            port=attrs.evolve(PORT, zone="Zonne"),
        )
        other = attrs.evolve(ENTITY, organization="Acme")
        self.broken("Nuage_VM_Table", "its organization is Acme", "docker restart web", entity=other)

    def test_shut(self) -> None:
        """The VRS is not told of an endpoint before its labels are known, or if they are wrong."""
        self.assert_answer("Nuage_Port_Table", Verdict.WAITING, "before Docker tells", "DockerEndpoint", **SHUT)
        wrong = labelled({"nuage.policy-gruop": "web"})
        self.broken("Nuage_Port_Table", "nuage.policy-gruop", "correct the label", docker=wrong, **SHUT)

    def test_resolution(self) -> None:
        """Without a controller, without an answer, with another answer than Docker's."""
        place = 'domain "Domain", zone "Zone", subnet "Subnet 2"'
        self.broken("resolution", place, "create the network again", resolution=None)
        self.broken("resolution", "for 12 s", "Nuage does not know", resolution=None, waited=12.3)
        self.broken("resolution", "for 2 h", "Nuage does not know", resolution=None, waited=7200)
        self.broken("resolution", "Controller", "VSC", resolution=None, controller=False)
        reason = 'the VSD has no subnet "Subnet 22" in zone "Zone"; did you mean "Subnet 2"?'
        self.broken("resolution", reason, "did you mean", resolution=None, reason=reason)
        elsewhere = attrs.evolve(RESOLUTION, gateway="10.21.59.254")
        self.broken("resolution", "Nuage 10.21.59.254", "Create the network again", resolution=elsewhere)

    def test_split(self) -> None:
        """If Containers hold the addresses, the VRS is told of no place and no policy: the vPort has that."""
        split = attrs.evolve(ENDPOINT, split=True)
        placeless = ToldPort(mac=MAC, domain=None, zone=None, subnet=None, address=None, policy={})
        facts: Mapping[str, Any] = {
            "endpoint": split,
            "port": placeless,
            "entity": attrs.evolve(ENTITY, organization=None),
        }
        group = attrs.evolve(placeless, policy=TOLD_QUARANTINE)
        self.assertIsNone(answer(attrs.evolve(WELL, **facts)))
        stage = chain(attrs.evolve(WELL, docker=labelled(QUARANTINE), **facts))[-1]
        self.assertEqual((stage.name, stage.verdict), ("policy", Verdict.OK))
        self.assertIn('"quarantine", from a label of the container', stage.text)
        self.assertIn("the vPort at the VSD has what counts now", stage.text)
        self.broken("policy", "it should be no policy group", "restart", **{**facts, "port": group})
        other = attrs.evolve(placeless, mac="7a:42:00:00:00:00")
        self.broken("Nuage_Port_Table", "its MAC address is", "restart", **{**facts, "port": other})

    def test_join_under_way(self) -> None:
        """What it will make is not missed, and the VRS's answer is what there is to wait for."""
        joining = attrs.evolve(state("created"), joining=True)
        nothing = {"link": None, "attachment": None, **SHUT}
        self.assert_answer("link", Verdict.WAITING, "Join", "", docker=joining, **nothing)
        self.assert_answer("resolution", Verdict.WAITING, "the Join waits 10 s", "", docker=joining, resolution=None)

    def test_policy(self) -> None:
        """Its origin is told, in the order in which the places override each other."""
        group = attrs.evolve(PORT, policy=TOLD_QUARANTINE)
        ways: tuple[tuple[str, Mapping[str, Any]], ...] = (
            ("a driver-opt of the endpoint", {"endpoint": attrs.evolve(ENDPOINT, options=QUARANTINE)}),
            ("a label of the container", {"docker": labelled(QUARANTINE)}),
            ("an option of the network", {"network": attrs.evolve(NETWORK, policy_group="quarantine")}),
        )
        for origin, facts in ways:
            stage = chain(attrs.evolve(WELL, port=group, **facts))[-1]
            self.assertEqual((stage.name, stage.verdict), ("policy", Verdict.OK))
            self.assertEqual(stage.text, f'policy group "quarantine", from {origin}')
        late = chain(attrs.evolve(WELL, port=group, docker=labelled(QUARANTINE), late=4.2))[-1]
        self.assertIn("Docker told the labels late, 4 s ago", late.text)

    def test_policy_while_docker_is_silent(self) -> None:
        """What the VRS was told stands if the labels were known by then; otherwise nobody knows what they name."""
        silent = DockerView(problem="Docker is silent")
        nameless = attrs.evolve(TRACE, container_id=None)
        network = attrs.evolve(NETWORK, policy_group="quarantine")
        group = attrs.evolve(PORT, policy=TOLD_QUARANTINE)
        for verdict, text, facts in (
            (Verdict.OK, "from an option of the network", {"network": network, "port": group}),
            (Verdict.UNKNOWN, "where it comes from is not known", {"port": group}),
            (Verdict.UNKNOWN, "labels are not known", {"trace": nameless}),
        ):
            stage = chain(attrs.evolve(WELL, docker=silent, **facts))[-1]
            self.assertEqual((stage.name, stage.verdict), ("policy", verdict))
            self.assertIn(text, stage.text)

    def test_policy_that_is_not_as_it_should_be(self) -> None:
        """It comes late, its label is wrong, or somebody changed the row."""
        nameless = attrs.evolve(TRACE, container_id=None)
        late = {"docker": labelled(QUARANTINE), "trace": nameless, "label_policy": "late"}
        self.assert_answer("policy", Verdict.WAITING, 'policy group "quarantine"', "DockerEndpoint", **late)
        wrong = labelled({"nuage.policy-gruop": "web"})
        self.broken("policy", "its labels are ignored", "correct", docker=wrong, label_policy="late")
        self.broken("policy", 'it should be policy group "quarantine"', "restart", docker=labelled(QUARANTINE))


class RecentCallsTests(SynchronousTestCase):
    """The last five calls of each endpoint, of a bounded number of endpoints."""

    def setUp(self) -> None:
        """Make an empty memory."""
        self.clock = Clock()
        self.recent = RecentCalls(self.clock)

    def note(self, endpoint_id: str | None, method: str = "NetworkDriver.Join") -> None:
        """Note a call that has just ended."""
        self.recent.note(
            Ended(method=method, network_id=NETWORK.id, endpoint_id=endpoint_id, seconds=0.1, outcome="ok")
        )

    def test_the_last_five(self) -> None:
        """Older ones are forgotten, and calls about no endpoint or those that only look are not kept."""
        self.note(None)
        self.note(ID, "NetworkDriver.EndpointOperInfo")
        for number in range(7):
            self.clock.advance(1)
            self.note(ID, str(number))
        self.note(ID, "NetworkDriver.EndpointOperInfo")
        self.assertEqual(
            [(at, call.method) for at, call in self.recent.about(ID)], [(n + 1, str(n)) for n in range(2, 7)]
        )
        self.assertEqual(self.recent.about("other"), ())

    def test_many_endpoints(self) -> None:
        """Those about which nothing came for longest are forgotten first."""
        self.note(ID)
        for number in range(1999):
            self.note(str(number))
        self.note(ID)
        self.note("one more")
        self.assertEqual(len(self.recent.about(ID)), 2)
        self.assertEqual(self.recent.about("0"), ())
        self.assertEqual(len(self.recent.about("1")), 1)

    def test_late(self) -> None:
        """It is known when Docker told a container late; this is bounded too."""
        self.clock.advance(3)
        self.recent.note_late(ID)
        self.assertEqual((self.recent.late(ID), self.recent.late("other")), (3, None))
        for number in range(2000):
            self.recent.note_late(str(number))
        self.assertIsNone(self.recent.late(ID))
