"""Known faults in what is done for each call of Docker."""

from __future__ import annotations

from collections.abc import Sequence

from nuage.audit.auditor import Auditor
from nuage.driver.cleanup import Cleanup
from nuage.driver.endpoints import Endpoints
from nuage.driver.turns import Turns
from tests.simulation.known.fault import Edit, Known

KNOWN: Sequence[Known] = (
    Known(
        name="a call that fails does not hand on its turn",
        edits=[
            Edit(
                Turns,
                "turn",
                "try:\n        yield\n    finally:\n        self._ended(subject)",
                "yield\n    self._ended(subject)",
            )
        ],
        seen="is remembered, and there is none|does not come to rest.*turns",
        within=100,
        seed=11,
    ),
    Known(
        name="an undo stays due when it has been done, and is done twice",
        edits=[Edit(Cleanup, "_attempt", "del self._steps[subject]", "pass")],
        seen="does not come to rest.*clean-up",
        within=5,
        seed=1,
    ),
    Known(
        name="an endpoint gets another MAC address each time",
        edits=[
            Edit(
                Endpoints,
                "create_endpoint",
                "mac_of(network, address.ip)",
                "f'7a:42:{request.endpoint_id[:2]}:{request.endpoint_id[2:4]}:00:01'",
            )
        ],
        seen="had the MAC address",
        within=5,
        seed=1,
    ),
    Known(
        name="an endpoint that Docker has lost keeps its address from the next one",
        edits=[Edit(Endpoints, "create_endpoint", "await self._free_addresses(request, network)", "pass")],
        seen="have the same",
        within=60,
        seed=19,
    ),
    Known(
        name="a port is opened before its policy is known",
        edits=[Edit(Endpoints, "_shut", 'if self._label_policy != "strict" or', "if True or")],
        seen="announced with the policy group",
        within=80,
        seed=71,
    ),
    Known(
        name="the link of an endpoint that is deleted stays until an audit sees it",
        edits=[
            Edit(Endpoints, "_forget_endpoint", "self._remove_link(endpoint_id)", "pass"),
            # Leave comes first.
            Edit(Endpoints, "_unplug", "self._remove_link(endpoint_id)", "pass"),
        ],
        seen="long ago, and is still there: link",
        within=11,
        seed=11,
    ),
    Known(
        name="a search goes on for an endpoint that is gone",
        edits=[
            Edit(Endpoints, "forget_endpoint", "self._containers.forget(endpoint_id)", "pass"),
            Edit(Auditor, "_audit", "self._endpoints.end_searches()", "pass"),
        ],
        seen="searches for containers",
        within=5,
        seed=1,
    ),
)
