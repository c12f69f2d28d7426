"""Why a VSD refuses what it was asked: the status of HTTP, the number, and the words of the answer."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from nuage.errors import NuageError


class Code(IntEnum):
    """``internalErrorCode``: the numbers that public clients know, and ``OTHER`` for all that they do not."""

    OTHER = 0
    UNCHANGED = 2039
    SUBNET_EXISTS = 2505
    EXISTS = 2510
    NO_ADDRESS_LEFT = 2702
    ADDRESS_IN_USE = 2704
    UUID_IN_USE = 2748
    VPORT_IN_USE = 7010
    POLICY_GROUP_IN_USE = 7097
    RESERVED_ALREADY = 7205
    POLICY_GROUP_EXISTS = 9501


class Refusal(NuageError):
    """A request is refused.

    Args:
        title: What is wrong, in a few words.
        description: What is wrong, with the names and the values.
        field: The attribute it is about.
        code: The number for programs; None leaves it out.
        status: The status of HTTP.
    """

    def __init__(
        self, title: str, description: str, field: str = "", code: Code | None = Code.OTHER, status: int = 409
    ) -> None:
        super().__init__(f"{field}: {description}" if field else description)
        self.status = status
        self._title = title
        self._description = description
        self._field = field
        self._code = code

    def to_json(self) -> dict[str, Any]:
        """Return the body of the answer."""
        described = {"title": self._title, "description": self._description}
        body: dict[str, Any] = {"errors": [{"property": self._field, "descriptions": [described]}]}
        return body if self._code is None else {"internalErrorCode": int(self._code), **body}


class Question(NuageError):
    """The request may go ahead if the client says so: ``responseChoice`` 1."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self._description = description

    def to_json(self) -> dict[str, Any]:
        """Return the body of the answer."""
        described = {"title": "Are you sure?", "description": self._description}
        return {
            "choices": [{"id": 1, "label": "OK"}, {"id": 0, "label": "Cancel"}],
            "errors": [{"property": "", "descriptions": [described]}],
        }


def invalid(field: str, description: str) -> Refusal:
    """Return the refusal of a value."""
    return Refusal("Invalid value", description, field)


def malformed(description: str) -> Refusal:
    """Return the refusal of what cannot be read as a request."""
    return Refusal("Bad request", description, code=None, status=400)


def not_found(description: str) -> Refusal:
    """Return the refusal of a path or an ID that there is not."""
    return Refusal("Cannot find object", description, code=None, status=404)
