"""Whether a database is one of a VRS that this driver can work with."""

from __future__ import annotations

from ovs.db.schema import DbSchema
from twisted.logger import Logger

from nuage.ovsdb.errors import SchemaMismatch
from nuage.vrs import tables


class SchemaCheck:
    """Refuses a database that lacks what this driver needs, and logs once what else it lacks.

    Args:
        resolving: Whether a Join waits for the VRS to resolve its port.
    """

    _log = Logger()

    def __init__(self, *, resolving: bool) -> None:
        self._resolving = resolving
        self._told: list[str] = []

    def __call__(self, schema: DbSchema) -> None:
        """Look at the schema of a connection.

        Raises:
            SchemaMismatch: The database cannot be used; the message says what is missing.
        """
        tables.check_schema(schema)
        lacking = tables.lacking(schema)
        if self._resolving and tables.RESOLVED_ADDRESS in lacking:
            raise SchemaMismatch(
                f"this VRS's database has no column {tables.RESOLVED_ADDRESS}, which tells that a port is resolved; "
                "set resolve_timeout to 0, which does not wait for it"
            )
        if lacking != self._told:
            self._told = lacking
            if lacking:
                self._log.info("this VRS has no {columns}; the plugin does without", columns=", ".join(lacking))
