"""Why a server refuses something."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """An error of RFC 7047: ``error`` is one of its strings, ``details`` are words."""

    def __init__(self, error: str, details: str = "") -> None:
        super().__init__(f"{error}: {details}")
        self.error = error
        self.details = details

    @property
    def wire(self) -> Any:
        """The JSON form. Where ovsdb-server has no details, it writes the string alone."""
        return {"error": self.error, "details": self.details} if self.details else self.error


def malformed(details: str) -> Refused:
    """Return the error of what cannot be understood."""
    return Refused("syntax error", details)
