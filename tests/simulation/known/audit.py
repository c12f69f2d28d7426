"""Known faults in what an audit sees and does."""

from __future__ import annotations

from collections.abc import Sequence

from nuage.audit import rules
from nuage.audit.auditor import Auditor
from nuage.audit.census import Census
from nuage.driver.networks import Networks
from nuage.vrs import survey
from tests.simulation.known.fault import Edit, Known

KNOWN: Sequence[Known] = (
    Known(
        name="two audits that follow at once take away what is just being created",
        edits=[
            Edit(Auditor, "__init__", "self._age = min(interval, _CONFIRMATION)", "self._age = 0.0"),
            # Others would protect it by now: the turns of calls, and what Docker has and does not run.
            Edit(
                Auditor, "_busy", "return {subject for subject in subjects if self._turns.taken(subject)}", "return ()"
            ),
            Edit(
                Census,
                "with_others",
                "frozenset(told.keys() - in_use)",
                "frozenset()",
            ),
        ],
        seen="Docker has it|is refused|its link is",
        within=10,
        seed=1,
    ),
    Known(
        name="the record of an endpoint is dropped an audit too early",
        edits=[
            Edit(Auditor, "_remember", "there = {*traces, *docker.in_use}", "there = {*traces}"),
            Edit(
                Auditor,
                "_restore",
                "endpoint = await self._census.endpoint(proposal.network_id, proposal.endpoint_id, proposal.container)",
                "return",
            ),
        ],
        seen="not announced",
        within=30,
        seed=12,
    ),
    Known(
        name="the audit removes endpoints of another plugin",
        edits=[Edit(survey, "survey", "if endpoint_id in foreign:", "if False:")],
        seen="somebody else's",
        within=5,
        seed=1,
    ),
    Known(
        name="a Docker that does not answer has no networks",
        edits=[
            Edit(
                Auditor, "_answered", "return None, str(problem)", "return rules.Docker(in_use={}, networks={}), None"
            ),
            # By now Docker is asked once more.
            Edit(Networks, "forget_lost_network", "if not await self._is_gone(network_id):", "if False:"),
        ],
        seen="Docker has it",
        within=30,
        seed=1,
    ),
    Known(
        name="the renaming of a container is not followed",
        edits=[Edit(rules, "_is_named", "trace.container_name == container.name", "True")],
        seen="as its name",
        within=13,
        seed=13,
    ),
    Known(
        name="an endpoint whose rows are gone is not put back",
        edits=[Edit(rules, "_lacking_endpoints", "if not (whole or nameless):", "if False:")],
        seen="not announced",
        within=30,
        seed=12,
    ),
)
