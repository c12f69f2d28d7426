"""The values of an explanation: what is known of an endpoint, and what is thought of it."""

from __future__ import annotations

import enum

import attrs

from nuage.docker.descriptions import Endpoint as DockerEndpoint
from nuage.docker.descriptions import Listed
from nuage.links.veth import Link
from nuage.model import Endpoint, Network, Trace
from nuage.names import port_name
from nuage.vrs.views import Attachment, Resolution, ToldEntity, ToldPort


class Verdict(str, enum.Enum):
    """What is thought of a stage."""

    OK = "ok"
    #: It is not as it should be, and waiting does not help.
    BROKEN = "broken"
    #: It comes by itself.
    WAITING = "waiting"
    #: Nobody can tell.
    UNKNOWN = "unknown"


@attrs.frozen
class Stage:
    """A stage of the chain: what it is called, what is thought of it, why, and what to do about it."""

    name: str
    verdict: Verdict
    text: str
    remedy: str = ""


@attrs.frozen(kw_only=True)
class CallSeen:
    """A call from Docker about the endpoint. ``ago`` and ``seconds``, how long it took, are in seconds."""

    method: str
    ago: float
    seconds: float
    outcome: str
    problem: str


@attrs.frozen(kw_only=True)
class Explanation:
    """What there is to say of one container on one network.

    ``endpoint_id`` is None if it has no endpoint.
    """

    container: str
    network: str
    endpoint_id: str | None
    stages: tuple[Stage, ...]
    calls: tuple[CallSeen, ...] = ()

    @property
    def answer(self) -> Stage | None:
        """The first broken stage. If none is broken, the first that is not well; None if all are well."""
        for verdicts in ({Verdict.BROKEN}, {Verdict.WAITING, Verdict.UNKNOWN}):
            for stage in self.stages:
                if stage.verdict in verdicts:
                    return stage
        return None


@attrs.frozen(kw_only=True)
class DockerView:
    """What Docker says of an endpoint.

    Args:
        listed: Its container, None if Docker has none.
        endpoint: The endpoint. It has an id only while the container runs.
        network: The name of its network.
        joining: Whether a Join is under way.
        failure: Why the container did not start the last time.
        problem: Why Docker could not be asked; then nothing else is known.
    """

    listed: Listed | None = None
    endpoint: DockerEndpoint | None = None
    network: str = ""
    joining: bool = False
    failure: str = ""
    problem: str = ""


@attrs.frozen(kw_only=True)
class Facts:
    """What is known of one endpoint.

    ``network`` and ``endpoint`` are the records in the switch. ``mtu`` (bytes) is that of networks that have none of
    their own, ``reason`` what the VSD knows of why the port is not resolved, ``waited`` how many seconds the endpoint
    has been as it is, ``late`` how many have passed since Docker told its container late. ``link_problem`` is why the
    kernel could not be asked.
    """

    endpoint_id: str
    docker: DockerView
    network: Network | None
    endpoint: Endpoint | None
    trace: Trace
    link: Link | None
    link_problem: str = ""
    bridge: str
    attachment: Attachment | None
    port: ToldPort | None
    entity: ToldEntity | None
    resolution: Resolution | None
    controller: bool
    mtu: int
    label_policy: str
    resolve_timeout: float
    reason: str = ""
    waited: float | None = None
    late: float | None = None

    @property
    def container(self) -> str:
        """The container's name, as it is known."""
        if self.docker.listed is not None:
            return self.docker.listed.container.name
        # The VRS has the endpoint's id for a name until Docker tells the container's.
        return (self.trace.container_name or self.endpoint_id).replace(self.endpoint_id, self.endpoint_id[:12])

    @property
    def link_name(self) -> str:
        """What the link and the port should be called."""
        return port_name(self.endpoint_id)

    @property
    def shut(self) -> bool:
        """Whether the VRS is not told of the endpoint because its labels are not known yet."""
        untold = self.port is None and self.entity is None
        return self.label_policy == "strict" and untold and self.trace.attached and self.trace.container_id is None
