"""What can go wrong between this client and an OVSDB server."""

from __future__ import annotations


class OvsdbError(Exception):
    """Talking to the database failed; ``str()`` of it is the message for the user."""


class RemoteUnusable(OvsdbError):
    """The address of the server makes no sense, or a file for TLS cannot be used."""


class NotConnected(OvsdbError):
    """Nothing was sent: there was no loaded connection within the time allowed."""


class OutcomeUnknown(OvsdbError):
    """A call was sent and no reply came, so it may or may not have been carried out.

    :ivar method: the JSON-RPC method of the call.
    """

    def __init__(self, method: str, message: str) -> None:
        """Keep the ``method`` apart from the ``message`` for the user."""
        super().__init__(message)
        self.method = method


class ConnectionLost(OutcomeUnknown):
    """The connection went away while a call was waiting for its reply."""


class CallTimedOut(OutcomeUnknown):
    """The server did not reply to a call in time."""


class MonitorSilent(OutcomeUnknown):
    """A transaction was committed and its update did not come: the mirror may have been out of date for long."""


class CallRejected(OvsdbError):
    """The server refused a call outside of a transaction (RFC 7047 section 4.1).

    :ivar error: the server's error string, such as ``unknown method``.
    """

    def __init__(self, method: str, error: str, details: str) -> None:
        """Name the ``method``, the server's ``error`` string and its ``details``, which may be empty."""
        super().__init__(f"the database server refused {method}: {error}{f' ({details})' if details else ''}")
        self.error = error
        self.details = details


class WaitExpired(OvsdbError):
    """A row did not reach the expected state in time."""


class ProtocolViolation(OvsdbError):
    """The peer sent something that is not RFC 7047."""


class SchemaMismatch(OvsdbError):
    """The database does not have the tables or columns that are needed."""


class ValueNotEncodable(OvsdbError):
    """A Python value does not fit the type of the column it is meant for."""

    def __init__(self, problem: str, table: str | None = None, column: str | None = None) -> None:
        """Tell the ``problem``, which names the value, and where the value was to go."""
        where = f"column {column} of table {table}: " if column else ""
        super().__init__(where + problem)
        self.problem = problem
        self.table = table
        self.column = column

    def located(self, table: str, column: str) -> ValueNotEncodable:
        """Return this error with the place named."""
        return ValueNotEncodable(self.problem, table, column)


class TransactionError(OvsdbError):
    """The server did not commit a transaction (RFC 7047 sections 4.1.3 and 5.2); nothing of it was carried out.

    :ivar error: the server's error string.
    :ivar details: the server's explanation, or an empty string.
    :ivar operation: index of the operation that failed; None when the commit itself failed.
    """

    def __init__(self, error: str, details: str = "", operation: int | None = None) -> None:
        """Name the server's ``error`` string, its ``details`` and the index of the ``operation``."""
        place = "at commit" if operation is None else f"in operation {operation}"
        super().__init__(
            f"the database refused the transaction {place}: {error}{f' ({details})' if details else ''}",
        )
        self.error = error
        self.details = details
        self.operation = operation


class ConstraintViolation(TransactionError):
    """A value, a row count or a unique index was violated."""


class ReferentialIntegrityViolation(TransactionError):
    """A strong reference would point to no row."""


class WaitTimedOut(TransactionError):
    """The condition of a wait operation did not come true."""


class Aborted(TransactionError):
    """The transaction asked to be aborted."""


class NotOwner(TransactionError):
    """A lock that the transaction asserted is not held."""


class NotSupported(TransactionError):
    """The server does not support what an operation asked for."""


class NotAllowed(TransactionError):
    """The server forbids the operation, for instance because the database is read-only."""


class PermissionDenied(TransactionError):
    """Role-based access control forbids the operation."""


class ResourcesExhausted(TransactionError):
    """The server ran out of memory or another resource."""


class IOFailure(TransactionError):
    """The server could not write its database file."""


class DuplicateUuidName(TransactionError):
    """Two inserts of one transaction have the same uuid-name."""


class DuplicateUuid(TransactionError):
    """An insert asks for a uuid that exists."""


class DomainError(TransactionError):
    """An arithmetic mutation divides by zero or has no value to work on."""


class RangeError(TransactionError):
    """An arithmetic mutation leaves the range of its type."""


class Canceled(TransactionError):
    """The transaction was canceled."""


class MalformedOperation(TransactionError):
    """The server does not understand an operation."""


class UnknownDatabase(TransactionError):
    """The server has no database of that name."""


_BY_STRING: dict[str, type[TransactionError]] = {
    "constraint violation": ConstraintViolation,
    "referential integrity violation": ReferentialIntegrityViolation,
    "timed out": WaitTimedOut,
    "aborted": Aborted,
    "not owner": NotOwner,
    "not supported": NotSupported,
    "not allowed": NotAllowed,
    "permission error": PermissionDenied,
    "resources exhausted": ResourcesExhausted,
    "I/O error": IOFailure,
    "duplicate uuid-name": DuplicateUuidName,
    "duplicate uuid": DuplicateUuid,
    "domain error": DomainError,
    "range error": RangeError,
    "canceled": Canceled,
    "syntax error": MalformedOperation,
    "unknown database": UnknownDatabase,
}


def transaction_error(error: str, details: str = "", operation: int | None = None) -> TransactionError:
    """Return the exception for an RFC 7047 ``error`` string; an unknown one gives a plain TransactionError."""
    return _BY_STRING.get(error, TransactionError)(error, details, operation)
