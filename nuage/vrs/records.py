"""Reading the records that are kept in external_ids, where everybody can write."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import TypeVar

from twisted.logger import Logger

from nuage.model import Endpoint, Network
from nuage.ovsdb.client import Row
from nuage.told import Told
from nuage.vrs import tables
from nuage.vrs.views import ids_of

_Record = TypeVar("_Record", Network, Endpoint)

#: Keys that ovs-vsctl takes as they are; others it takes in quotation marks.
_PLAIN = re.compile(r"[\w.-]+", re.ASCII)


class Records:
    """Reads records. One that makes no sense is passed over, and reported once with what to do about it."""

    _log = Logger()

    def __init__(self) -> None:
        self._told = Told()

    def at_bridge(
        self, bridge: str, ids: Mapping[str, str], prefix: str, subject: str, read: Callable[[str], _Record]
    ) -> _Record | None:
        """Return what the bridge keeps of a network or an endpoint.

        Args:
            bridge: The bridge's name.
            ids: Its external_ids.
            prefix: What the keys of such records start with.
            subject: The id of the network or the endpoint, which follows the prefix.
            read: Reads the text.
        """
        key = prefix + subject
        if key not in ids:
            return None
        record = self._read("bridge", bridge, key, ids[key], read)
        if record is not None and record.id != subject:
            self._pass_over("bridge", bridge, key, f"it is the record of {record.id!r}")
            return None
        return record

    def at_interface(self, interface: Row) -> Endpoint | None:
        """Return the endpoint that an interface says it belongs to."""
        text = ids_of(interface).get(tables.RECORD)
        if text is None:
            return None
        return self._read("interface", str(interface["name"]), tables.RECORD, text, Endpoint.from_record)

    def _read(self, kind: str, name: str, key: str, text: str, read: Callable[[str], _Record]) -> _Record | None:
        try:
            return read(text)
        except ValueError as problem:
            self._pass_over(kind, name, key, str(problem))
            return None

    def _pass_over(self, kind: str, name: str, key: str, problem: str) -> None:
        if self._told.is_new((kind, name, key), problem):
            shown = key if _PLAIN.fullmatch(key) else shlex.quote(json.dumps(key, ensure_ascii=False))
            self._log.warn(
                "{key} in the external_ids of {kind} {name} is passed over: {problem}; "
                "remove it: ovs-vsctl remove {kind} {name} external_ids {shown}",
                key=key,
                kind=kind,
                name=name,
                problem=problem[:200],
                shown=shown,
            )
