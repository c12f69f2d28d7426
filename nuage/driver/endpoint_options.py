"""The options of an endpoint: what a user gives with ``driver-opt``, and Docker tells when it creates the endpoint."""

from __future__ import annotations

from collections.abc import Mapping

from nuage.errors import Refused
from nuage.given import problem_of
from nuage.vrs.policy import ENDPOINT_OPTIONS, ours


def endpoint_options(options: Mapping[str, object]) -> dict[str, str]:
    """Return this driver's options of an endpoint.

    Raises:
        Refused: One is unknown, or its value is not a name.
    """
    given = ours(options)
    for key, value in given.items():
        if problem := problem_of("driver-opt", key, value, ENDPOINT_OPTIONS):
            raise Refused(problem)
    return {key: str(value) for key, value in given.items()}
