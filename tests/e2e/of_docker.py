"""Those tests that may come out differently with another release of Docker: ``tests/run tests.e2e.of_docker``.

A module is one of them unless it is named here.
"""

from __future__ import annotations

from pathlib import Path
from unittest import TestSuite

from twisted.trial.runner import TestLoader

#: Modules that need to run with one Docker only, and what their outcome depends on instead.
OTHERS = {
    "test_bridge": "the switch",
    "test_ipam_pair": "the VSD",
    "test_lab": "the lab",
    "test_local_scope": "the plugin's configuration",
    "test_metrics": "Prometheus",
    "test_outages": "the switch",
    "test_page": "the browser",
    "test_repairs": "the switch",
    "test_resolution": "the VRS",
    "test_restarts": "the plugin's own life",
    "test_status": "the control socket",
    "test_systemd": "systemd",
    "test_topology": "the VRS",
    "test_vport": "the VSD",
    "test_vsd": "the VSD",
}


def modules() -> list[str]:
    """Return the names of the modules whose tests depend on Docker's release."""
    return sorted(path.stem for path in Path(__file__).parent.glob("test_*.py") if path.stem not in OTHERS)


def test_suite() -> TestSuite:
    """Return their tests."""
    return TestSuite(TestLoader().loadByName(f"tests.e2e.{module}") for module in modules())
