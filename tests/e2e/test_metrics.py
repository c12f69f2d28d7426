"""A real Prometheus that looks at a host."""

from __future__ import annotations

import json
from typing import Any

import yaml

from lab.shell import Process, wait_until
from tests.e2e.host_support import HostTestCase, demand_programs
from tests.test_monitoring_examples import ALERTS

ENDPOINT, PROMETHEUS = "127.0.0.1:9680", "127.0.0.1:9090"


class ScrapeTest(HostTestCase):
    """A plugin whose ``status_endpoint`` is set, and a Prometheus beside it."""

    def setUp(self) -> None:
        """Start both."""
        super().setUp()
        demand_programs("prometheus", "promtool")
        self._restart(status_endpoint=ENDPOINT)
        self.addCleanup(self._restart)
        self.prometheus = Process("prometheus", self.host.folder)
        self.addCleanup(self.prometheus.stop)
        configuration = self.host.folder / "prometheus.yaml"
        configuration.write_text(
            yaml.safe_dump(
                {
                    "global": {"scrape_interval": "200ms", "evaluation_interval": "200ms"},
                    "rule_files": [str(ALERTS)],
                    "scrape_configs": [{"job_name": "nuage-plugin", "static_configs": [{"targets": [ENDPOINT]}]}],
                }
            )
        )
        command = ("prometheus", f"--config.file={configuration}", f"--web.listen-address={PROMETHEUS}")
        data = f"--storage.tsdb.path={self.host.folder / 'prometheus'}"
        self.prometheus.start(*self.host.namespace.inside(*command, data))

    def _restart(self, **configuration: object) -> None:
        self.host.plugin.stop()
        self.host.plugin.configure(**configuration)
        self.start_plugin()

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """Return what Prometheus answers, nothing while it does not answer."""
        query = ("promtool", "query", "instant", "--format=json", f"http://{PROMETHEUS}", expression)
        done = self.host.run(*query, check=False)
        found: list[dict[str, Any]] = json.loads(done.stdout) if done.returncode == 0 else []
        return found

    def wait_for(self, expression: str, value: str) -> None:
        """Wait until Prometheus answers with one series that has this value."""
        wait_until(
            f"Prometheus has {value} for {expression}",
            lambda: [each["value"][1] for each in self.ask(expression)] == [value],
            20,
        )

    def test_scrape(self) -> None:
        """It sees a container come and go, a call that fails, and how the switch does; alerts see it too."""
        self.wait_for("up", "1")
        self.wait_for("nuage_vrs_connected + nuage_controller_connected + nuage_docker_connected", "3")
        self.create_network("net")
        self.run_container("web", "net")
        self.refused("network", "create", "--driver=nuage", "-o=user=admin", "--subnet=10.21.60.0/24", "placeless")
        self.wait_for('nuage_endpoints{state="resolved"}', "1")
        self.wait_for('nuage_calls_total{method="NetworkDriver.Join",outcome="ok"}', "1")
        self.wait_for('nuage_calls_total{method="NetworkDriver.CreateNetwork",outcome="failed"}', "1")
        self.wait_for("nuage_networks", "1")
        self.wait_for("nuage_resolve_duration_seconds_count", "1")
        self.wait_for('nuage_docker_requests_total{outcome="ok"} > bool 0', "1")
        self.wait_for("nuage_vrs_transaction_duration_seconds_count > bool 2", "1")
        self.remove_container("web")
        self.wait_for('nuage_endpoints{state="resolved"}', "0")
        self.assertEqual(self.ask('ALERTS{alertstate="firing"}'), [])
