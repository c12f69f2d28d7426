"""The archive that ``nuage-plugin diagnose`` writes: what is in it, and that nothing in it is a secret."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as _reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from nuage.audit.auditor import Findings
from nuage.audit.rules import Forget
from nuage.config.settings import Config
from nuage.docker.descriptions import Network as DockerNetwork
from nuage.errors import DockerUnavailable, SwitchError
from nuage.links.veth import GROUP, Link
from nuage.model import Network
from nuage.status.diagnosis import Diagnosis
from nuage.status.recent import RecentLines
from nuage.status.report import AuditSeen, Report
from nuage.status.secrets import REMOVED, Secrets, cleaned, configuration
from nuage.vrs.switch import Switch
from tests.vrs_support import BRIDGE, Vrs

reactor = cast(Any, _reactor)

PASSWORD = 'pass"wörd\\1'
FILE_CONTENT = "content-of-a-file-7"
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIKEYKEYKEY\n-----END EC PRIVATE KEY-----\n"
#: What must be nowhere, as it is or as JSON or a URL has it.
SECRETS = (PASSWORD, json.dumps(PASSWORD)[1:-1], FILE_CONTENT, "MHcCAQEEIKEYKEYKEY", "user:pw7")

STALE = "5" * 64


class SecretCase(SynchronousTestCase):
    """Has a configuration with secrets in it and in files that it names."""

    def setUp(self) -> None:
        """Write the files."""
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        key, password = folder / "key.pem", folder / "password"
        key.write_text(KEY)
        password.write_text(f"{FILE_CONTENT}\n")
        self.config = Config(vrs_private_key=key, vsd_password=PASSWORD, vsd_password_file=password)

    def assert_none(self, text: str) -> None:
        """Assert that a text has no secret."""
        self.assertEqual([secret for secret in SECRETS if secret in text], [])


class SecretsTests(SecretCase):
    """Each way in which a secret may get into a text."""

    def test_configuration(self) -> None:
        """Values that are secrets are removed; paths of files are not, nor what was not given."""
        found = configuration(self.config)
        self.assertEqual((found["vsd_password"], found["vrs_private_key"]), (REMOVED, self.config.vrs_private_key))
        self.assertEqual(configuration(Config())["vsd_password"], None)
        self.assertEqual(found["VrsBridge"], "alubr0")

    def test_texts(self) -> None:
        """The values themselves, also in JSON; lines of files; any private key; passwords in URLs."""
        secrets = Secrets(self.config)
        texts = (*SECRETS[:3], KEY, json.dumps(KEY), json.dumps({"x": PASSWORD}), "https://user:pw7@host/x", KEY[:45])
        for text in texts:
            found = secrets.remove_from(f"before {text} after")
            self.assert_none(found)
            self.assertTrue(found.startswith("before "), found)
        harmless = 'endpoint=a31e991e8006 "https://host:8443/x" tcp:127.0.0.1:6633'
        self.assertEqual(secrets.remove_from(harmless), harmless)

    def test_a_file_that_is_gone(self) -> None:
        """It is passed over."""
        assert self.config.vrs_private_key is not None
        self.config.vrs_private_key.unlink()
        self.assert_none(Secrets(self.config).remove_from(f"{PASSWORD} {FILE_CONTENT}"))

    def test_keys(self) -> None:
        """What a key calls a secret is removed, however deep."""
        found = cleaned({"a": [{"api_token": "x", "Password": {"b": 1}, "mac": "y"}], "privateKey": "z"})
        self.assertEqual(found, {"a": [{"api_token": REMOVED, "Password": REMOVED, "mac": "y"}], "privateKey": REMOVED})


class RecentLinesTests(SynchronousTestCase):
    """The last lines of the log."""

    def test_lines(self) -> None:
        """They are bounded in number, and each event is handed on."""
        events: list[Any] = []
        recent = RecentLines(events.append)
        for number in range(1500):
            recent({"log_format": "line {number}", "number": number, "log_time": 0.0})
        lines = recent.lines()
        self.assertEqual((len(lines), len(events)), (1000, 1500))
        self.assertIn("line 500", lines[0])
        self.assertTrue(lines[-1].endswith("line 1499"), lines[-1])

    def test_an_event_that_cannot_be_shown(self) -> None:
        """It is handed on all the same."""
        events: list[Any] = []
        RecentLines(events.append)({"log_format": "{missing}", "log_time": 0.0})
        self.assertEqual(len(events), 1)


class PlayedParts:
    """What the archive asks beside the switch: links, Docker and the auditor. ``failing`` makes them fail."""

    def __init__(self) -> None:
        self.failing = False

    async def owned(self, _mark: str) -> dict[str, Link]:
        """See nuage.links.links.Links."""
        link = Link(
            name="nu1", index=7, alias="nuage endpoint x", group=GROUP, mac="", mtu=1450, up=True, carrier=True, peer=6
        )
        return {"nu1": link}

    async def networks(self) -> list[DockerNetwork]:
        """See nuage.audit.census.Census."""
        if self.failing:
            raise DockerUnavailable("Docker is silent")
        options = {"organization": "Enterprise", "password": "pw9", "other": PASSWORD}
        return [DockerNetwork(id="n" * 64, name="mynet", driver="nuage", options=options)]

    async def look(self) -> Findings:
        """See nuage.audit.auditor.Auditor."""
        if self.failing:
            raise SwitchError("the switch is away")
        return Findings(proposals=[Forget(STALE)])


def report() -> Report:
    """Return a report of a daemon that knows nothing yet."""
    return Report(
        version="1",
        pid=1,
        time=2.0,
        started=1.0,
        scope="local",
        log_level="Info",
        parts=(),
        networks=(),
        endpoints=(),
        audit=AuditSeen(),
        cleanup=(),
        problems=(),
    )


class DiagnosisTests(TestCase, SecretCase):
    """An archive of a real switch, into which somebody has written secrets."""

    timeout = 60

    async def setUp(self) -> None:  # type: ignore[override]
        """Start the switch, and connect to it."""
        SecretCase.setUp(self)
        vrs = Vrs()
        self.addCleanup(vrs.stop)
        client = vrs.client(reactor)
        client.start()
        self.addCleanup(client.stop)
        self.vrs, self.switch = vrs, Switch(client, BRIDGE, 2)
        await self.switch.ready()
        await self.switch.remember_network(
            Network(id="n" * 64, organization="Enterprise", user="u", domain="D", pool=IPv4Network("10.0.0.0/24"))
        )
        self.parts = PlayedParts()
        self.lines = [f"vsd says {PASSWORD}", KEY, f"{FILE_CONTENT} GET https://user:pw7@vsd:8443/", "harmless"]

    async def files(self) -> dict[str, str]:
        """Return the files of an archive, by their names in its folder."""
        parts = cast(Any, self.parts)
        packed = await Diagnosis(
            reactor,
            self.config,
            report=report,
            switch=self.switch,
            links=parts,
            census=parts,
            auditor=parts,
            lines=lambda: self.lines,
            now=lambda: 1764.5,
        ).archive()
        self.assert_none(gzip.decompress(packed).decode())
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            self.assertEqual({(member.mode, member.mtime) for member in archive.getmembers()}, {(0o600, 1764)})
            return {
                member.name.removeprefix("nuage-plugin-diagnosis/"): cast(Any, archive.extractfile(member))
                .read()
                .decode()
                for member in archive.getmembers()
            }

    async def test_all_parts(self) -> None:
        """They are there, without the secrets that are in the rows, the options, the log and the configuration."""
        self.vrs.vsctl("set", "bridge", BRIDGE, "external_ids:other=somebody-elses")
        self.vrs.vsctl("set", "bridge", BRIDGE, f"external_ids:nuage-x='{FILE_CONTENT}'")
        files = await self.files()
        names = ("audit", "configuration", "docker-networks", "links", "rows", "status", "versions")
        self.assertEqual(set(files), {*(f"{name}.json" for name in names), "log.txt"})
        self.assertIn("harmless", files["log.txt"])
        self.assertEqual(json.loads(files["audit.json"])["would"], [str(Forget(STALE))])
        (network,) = json.loads(files["docker-networks.json"])
        self.assertEqual((network["name"], network["options"]["password"]), ("mynet", REMOVED))
        rows = json.loads(files["rows.json"])
        (ids,) = (row["external_ids"] for row in rows["Bridge"] if row["name"] == BRIDGE)
        self.assertIn("Enterprise", ids[f"nuage-network-{'n' * 64}"])
        self.assertNotIn("somebody-elses", files["rows.json"])
        self.assertLessEqual({"Nuage_Port_Table", "Nuage_VM_Table", "Interface", "Port", "Controller"}, set(rows))
        self.assertIn("nuage-plugin", json.loads(files["versions.json"]))
        (link,) = json.loads(files["links.json"])
        self.assertEqual((link["name"], link["mtu"]), ("nu1", 1450))

    async def test_what_cannot_be_had(self) -> None:
        """The reason stands in its place, and the rest is there."""
        self.parts.failing = True
        files = await self.files()
        self.assertEqual(json.loads(files["docker-networks.json"]), {"problem": "Docker is silent"})
        self.assertEqual(json.loads(files["audit.json"]), {"problem": "the switch is away"})
        self.assertIn("nu1", files["links.json"])
