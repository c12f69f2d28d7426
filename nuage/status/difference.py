"""What is new in a report, compared with one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nuage.status.report import EndpointSeen, NetworkSeen, Report, as_json

#: The fields that are told as a whole if they differ.
_WHOLE = ("parts", "audit", "cleanup", "problems", "log_level")


def difference(former: Report, now: Report) -> dict[str, Any]:
    """Return what differs, empty if nothing does. The time alone is no difference.

    ``networks`` and ``endpoints`` have those that are new or changed, and the ids of those that are gone. Any other
    field that differs is there as a whole, as :meth:`nuage.status.report.Report.to_json` has it.
    """
    found = {name: as_json(getattr(now, name)) for name in _WHOLE if getattr(former, name) != getattr(now, name)}
    for name in ("networks", "endpoints"):
        changed = _changed(getattr(former, name), getattr(now, name))
        if changed:
            found[name] = changed
    if not found:
        return {}
    return {"time": now.time, "ready": now.ready, "endpoint_states": now.count(), **found}


def _changed(
    former: Sequence[NetworkSeen] | Sequence[EndpointSeen], now: Sequence[NetworkSeen] | Sequence[EndpointSeen]
) -> dict[str, Any]:
    before = {each.id: each for each in former}
    ids = {each.id for each in now}
    # Most are the same object.
    changed = [as_json(each) for each in now if (old := before.get(each.id)) is not each and old != each]
    removed = [each for each in before if each not in ids]
    return {"changed": changed, "removed": removed} if changed or removed else {}
