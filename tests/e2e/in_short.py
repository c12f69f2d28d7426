"""A few minutes' selection of the tests, for one more release of Docker: ``tests/run tests.e2e.in_short``."""

from __future__ import annotations

from unittest import TestSuite

from twisted.trial.runner import TestLoader

#: Each sees another side of Docker: its API, its calls, its start, its IPAM, its ways to name a policy group.
MODULES = ("test_docker_engine", "test_main_job", "test_dockerd_restart", "test_ipam", "test_policy", "test_release")


def test_suite() -> TestSuite:
    """Return the tests of these modules."""
    return TestSuite(TestLoader().loadByName(f"tests.e2e.{module}") for module in MODULES)
