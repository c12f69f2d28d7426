"""The configuration file: what is read, and that everything wrong in it is told at once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import attrs
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

import nuage
from nuage.config.loading import load
from nuage.config.settings import Config
from nuage.errors import ConfigurationError

PROJECT = Path(nuage.__file__).parent.parent
SHIPPED = PROJECT / "etc" / "nuage.yaml"
MANAGED = PROJECT / "packaging" / "plugin" / "config.json"
TLS = ("vrs_private_key", "vrs_certificate", "vrs_ca_certificate")


class ConfigCase(SynchronousTestCase):
    """Reads texts as configuration files."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "nuage.yaml"

    def load(self, text: str | bytes) -> Config:
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(self.path, {})

    def problems(self, text: str | bytes) -> str:
        return str(self.assertRaises(ConfigurationError, self.load, text))

    def key_files(self) -> dict[str, Path]:
        files = {name: (self.folder / f"{name}.pem").absolute() for name in TLS}
        for file in files.values():
            file.write_text("PEM")
            file.chmod(0o600)
        return files


class Reading(ConfigCase):
    """What a good file means."""

    def test_empty_is_all_defaults(self) -> None:
        for text in ("", "# nothing\n", "---\n", "null\n", "{}\n"):
            with self.subTest(text):
                self.assertEqual(self.load(text), Config())

    def test_defaults(self) -> None:
        config = Config()
        self.assertEqual((config.vrs_remote, config.vrs_bridge), ("tcp:localhost:6633", "alubr0"))
        self.assertEqual(config.docker_endpoint, "unix:///var/run/docker.sock")
        self.assertEqual((config.log_level, config.scope, config.mtu), ("Info", "global", 1450))
        self.assertEqual(config.plugin_socket, Path("/run/docker/plugins/nuage.sock"))

    def test_shipped_file_names_every_key_with_its_default(self) -> None:
        shipped = yaml.safe_load(SHIPPED.read_text())
        described = {
            field.metadata["yaml"]: str(field.default) if isinstance(field.default, Path) else field.default
            for field in attrs.fields(Config)
        }
        self.assertEqual(shipped, described)
        self.assertEqual(load(SHIPPED, {}), Config())

    def test_spellings_of_a_key(self) -> None:
        for key in ("VrsBridge", "vrs_bridge", "vrs-bridge", "vrsbridge", "VRS_BRIDGE"):
            with self.subTest(key):
                self.assertEqual(self.load(f"{key}: br7").vrs_bridge, "br7")

    def test_vrs_remote(self) -> None:
        cases = {
            "VrsEndpoint: vrs.example.net": "tcp:vrs.example.net:6633",
            "VrsEndpoint: 10.0.0.1\nVrsPort: 7000": "tcp:10.0.0.1:7000",
            'VrsEndpoint: "fd00::1"': "tcp:[fd00::1]:6633",
            'VrsEndpoint: "[fd00::1]"': "tcp:[fd00::1]:6633",
            "VrsEndpoint: unix:/var/run/openvswitch/db.sock": "unix:/var/run/openvswitch/db.sock",
            "VrsEndpoint: tcp:10.0.0.1:6640": "tcp:10.0.0.1:6640",
            'VrsEndpoint: "tcp:[::1]:6640"': "tcp:[::1]:6640",
        }
        for text, remote in cases.items():
            with self.subTest(text):
                self.assertEqual(self.load(text).vrs_remote, remote)

    def test_status_endpoint(self) -> None:
        cases = {
            "": None,
            "9680": "127.0.0.1:9680",
            "'9680'": "127.0.0.1:9680",
            "127.0.0.1:9680": "127.0.0.1:9680",
            "0.0.0.0:80": "0.0.0.0:80",
            "'[::1]:9680'": "[::1]:9680",
        }
        for text, address in cases.items():
            with self.subTest(text):
                config = self.load(f"status_endpoint: {text}" if text else "")
                self.assertEqual(config.status_endpoint, address)

    def test_log_levels(self) -> None:
        for text, level in (("debug", "Debug"), ("WARNING", "Warn"), ("Warn", "Warn"), ("critical", "Critical")):
            with self.subTest(text):
                self.assertEqual(self.load(f"LogLevel: {text}").log_level, level)

    def test_whole_seconds_become_numbers(self) -> None:
        self.assertEqual(self.load("docker_timeout: 3").docker_timeout, 3.0)

    def test_tls(self) -> None:
        files = self.key_files()
        text = "VrsEndpoint: ssl:vrs:6632\n" + "".join(f"{name}: {path}\n" for name, path in files.items())
        config = self.load(text)
        self.assertEqual({name: getattr(config, name) for name in TLS}, files)
        self.assertEqual(config.vrs_remote, "ssl:vrs:6632")


class Refusing(ConfigCase):
    """What a bad file is answered."""

    def test_all_problems_at_once(self) -> None:
        message = self.problems("VrsPort: 0\nScope: swarm\nnonsense: 1\nmtu: 1279\n")
        self.assertIn(f"{self.path}: 4 problems", message)
        for part in ("line 1: VrsPort: 0", "line 2: Scope: 'swarm'", 'line 3: unknown key "nonsense"', "line 4: mtu"):
            self.assertIn(part, message)

    def test_bad_values(self) -> None:
        cases = {
            "VrsEndpoint: 7": "a host name",
            "VrsEndpoint: tcp:host": "no port",
            "VrsEndpoint: tcp:host:70000": "no port",
            "VrsEndpoint: tcp:::1:6633": "brackets",
            "VrsEndpoint: unix:db.sock": "absolute path",
            "VrsEndpoint: 'a b'": "a host name",
            "VrsPort: true": "True",
            "VrsPort: '6633'": "whole number",
            "VrsPort:": "(empty)",
            "VrsBridge: a/b": "device name",
            "VrsBridge: 'a b'": "device name",
            "VrsBridge: sixteen-letters-": "device name",
            "VrsBridge: ..": "device name",
            "DockerEndpoint: http://host:1": "unix:///path or tcp://host:port",
            "DockerEndpoint: tcp://host": "no port",
            "LogLevel: 3": "Debug",
            "Scope: [global]": "local or global",
            "plugin_socket: nuage.sock": "absolute path",
            f"plugin_socket: /{'x' * 107}": "107 bytes",
            "status_endpoint: localhost:9680": 'an address of this machine before the port, not the name "localhost"',
            "status_endpoint: 0": "no port",
            "status_endpoint: 70000": "no port",
            "status_endpoint: 127.0.0.1:x": "no port",
            "status_endpoint: true": "a port, or address:port",
            "status_endpoint: ':9680'": "no usable host name",
            "status_endpoint: '::1:9680'": "brackets",
            "mtu: 1450.0": "whole number",
            "vrs_timeout: 0": "seconds",
            "vrs_timeout: .nan": "seconds",
            "vrs_timeout: true": "seconds",
            "vrs_timeout: 2026-01-01": "seconds",
        }
        for text, part in cases.items():
            with self.subTest(text):
                message = self.problems(text)
                self.assertIn(f"line 1: {text.partition(':')[0]}: ", message)
                self.assertIn(part, message)
                self.assertIn("allowed is", message)

    def test_unknown_key_names_the_nearest(self) -> None:
        self.assertIn('unknown key "VrsEndpont"; did you mean "VrsEndpoint"?', self.problems("VrsEndpont: x"))
        self.assertIn("known are VrsEndpoint, VrsPort", self.problems("zzz: x"))

    def test_key_given_twice(self) -> None:
        for text in ("VrsPort: 1\nvrs_port: 2", "VrsPort: 1\nVrsPort: 2", "VrsPort: 0\nVrsPort: 2"):
            with self.subTest(text):
                self.assertIn('was given before, as "VrsPort" in line 1', self.problems(text))

    def test_not_a_mapping(self) -> None:
        for text in ("- a\n", "just words\n", "7\n"):
            with self.subTest(text):
                self.assertIn("is not a mapping", self.problems(text))

    def test_not_yaml(self) -> None:
        self.assertIn(", line 2, column 9: is not YAML", self.problems("mtu: 1500\nScope: a: b\n"))
        self.assertIn("is not YAML", self.problems(b"\xff\xfe\xff"))

    def test_no_objects_are_made(self) -> None:
        target = self.folder / "made"
        self.problems(f"mtu: !!python/object/apply:os.mkdir ['{target}']\n")
        self.assertFalse(target.exists())

    def test_no_file(self) -> None:
        for path in (self.folder / "none", self.folder):
            with self.subTest(str(path)):
                message = str(self.assertRaises(ConfigurationError, load, path, {}))
                self.assertIn(f"{path}: cannot be read: ", message)

    def test_call_must_outlast_its_parts(self) -> None:
        self.assertIn("call_timeout: 15 has to be longer", self.problems("call_timeout: 15"))

    def test_two_sockets_of_one_name(self) -> None:
        message = self.problems("control_socket: /run/other/nuage.sock")
        self.assertIn('control_socket: "/run/other/nuage.sock" has the file name of plugin_socket', message)
        self.assertEqual(self.load("call_timeout: 30.1").call_timeout, 30.1)

    def test_tls_files_go_with_ssl(self) -> None:
        message = self.problems("VrsEndpoint: ssl:vrs:6632")
        for name in TLS:
            self.assertIn(f"{name}: missing", message)
        path = self.key_files()["vrs_certificate"]
        self.assertIn("is only for an ssl: endpoint", self.problems(f"vrs_certificate: {path}"))

    def test_server_name(self) -> None:
        files = "".join(f"{name}: {path}\n" for name, path in self.key_files().items())
        for good in ("sw1", "sw1 id:0815", "vrs.example.net"):
            config = self.load(f"VrsEndpoint: ssl:vrs:6632\n{files}vrs_server_name: {good}")
            self.assertEqual(config.vrs_server_name, good)
        for bad in ('""', '" sw1"', '"sw\\n1"', "7", "[sw1]", "x" * 254):
            with self.subTest(bad):
                message = self.problems(f"VrsEndpoint: ssl:vrs:6632\n{files}vrs_server_name: {bad}")
                self.assertIn("is not allowed; allowed is the name in the switch's certificate", message)
        self.assertIn("vrs_server_name: is only for an ssl: endpoint", self.problems("vrs_server_name: sw1"))

    def test_tls_file_that_is_not_there(self) -> None:
        message = self.problems(f"VrsEndpoint: ssl:vrs:6632\nvrs_certificate: {self.folder.absolute()}\n")
        self.assertIn("is not a file", message)
        self.assertNotIn("vrs_certificate: missing", message)
        self.assertIn("does not exist", self.problems("vrs_private_key: /does/not/exist"))

    def test_open_private_key(self) -> None:
        files = self.key_files()
        for mode in (0o640, 0o604, 0o620):
            with self.subTest(oct(mode)):
                files["vrs_private_key"].chmod(mode)
                message = self.problems(f"vrs_private_key: {files['vrs_private_key']}")
                self.assertIn(f"chmod 600 {files['vrs_private_key']}", message)


class Vsd(ConfigCase):
    """Where the VSD is, and who asks it."""

    def setUp(self) -> None:
        super().setUp()
        self.secret = (self.folder / "secret").absolute()
        self.secret.write_text("s3cret")
        self.secret.chmod(0o600)
        self.file = f"vsd_user: csproot\nvsd_password_file: {self.secret}\n"

    def closed(self, text: str, **variables: str) -> Config:
        """Load a file that is closed to others."""
        self.path.write_text(text)
        self.path.chmod(0o600)
        return load(self.path, {f"NUAGE_{name}": value for name, value in variables.items()})

    def test_urls(self) -> None:
        for text, urls in {
            "https://vsd.example.net:8443": ["https://vsd.example.net:8443"],
            "https://vsd": ["https://vsd:8443"],
            "https://10.0.0.1:443/": ["https://10.0.0.1:443"],
            "https://a https://b:1": ["https://a:8443", "https://b:1"],
            "'https://a, https://b:1'": ["https://a:8443", "https://b:1"],
            "[https://a, 'https://b:1']": ["https://a:8443", "https://b:1"],
        }.items():
            with self.subTest(text):
                self.assertEqual(self.load(f"vsd_url: {text}\n{self.file}").vsd_url, tuple(urls))
        self.assertIsNone(self.load("vsd_url:").vsd_url)

    def test_bad_urls(self) -> None:
        for text, part in {
            "http://vsd": "https://",
            "vsd": "https://",
            "https://": "host name",
            "https://vsd:x": "no port",
            "'https://[fd00::1]:8443'": "needs a host name for the IPv6 address",
            "https://user:pw@vsd": "needs no user",
            "https://vsd/nuage/api": "no path",
            "[]": "allowed is",
            "[7]": "allowed is",
            "7": "allowed is",
            "[https://a, https://a]": "twice",
        }.items():
            with self.subTest(text):
                message = self.problems(f"vsd_url: {text}\n{self.file}")
                self.assertIn("line 1: vsd_url: ", message)
                self.assertIn(part, message)
                self.assertNotIn("pw", message)

    def test_the_account(self) -> None:
        url = "vsd_url: https://vsd\n"
        self.assertIn("vsd_user: missing", self.problems(url))
        self.assertIn(
            "vsd_password_file: missing; the VSD is asked with a password (vsd_password_file or vsd_password) or with "
            "a certificate (vsd_certificate and vsd_private_key)",
            self.problems(f"{url}vsd_user: csproot"),
        )
        config = self.load(url + self.file)
        self.assertEqual(
            (config.vsd_organization, config.vsd_user, config.vsd_password_file, config.vsd_version),
            ("csp", "csproot", self.secret, "v6"),
        )
        config = self.closed(f"{url}vsd_user: csproot\nvsd_password: s3cret")
        self.assertEqual(config.vsd_password, "s3cret")
        message = str(self.assertRaises(ConfigurationError, self.closed, f"{url}{self.file}vsd_password: s3cret"))
        self.assertIn("vsd_password: goes without vsd_password_file", message)
        self.assertNotIn("s3cret", message)

    def test_certificates(self) -> None:
        url = "vsd_url: https://vsd\nvsd_user: nuage\n"
        config = self.load(f"{url}vsd_certificate: {self.secret}\nvsd_private_key: {self.secret}")
        self.assertEqual((config.vsd_certificate, config.vsd_private_key), (self.secret, self.secret))
        self.assertIn("vsd_private_key: missing", self.problems(f"{url}vsd_certificate: {self.secret}"))
        self.assertIn("vsd_certificate: missing", self.problems(f"{url}vsd_private_key: {self.secret}"))
        both = f"{url}{self.file.partition(chr(10))[2]}vsd_certificate: {self.secret}\nvsd_private_key: {self.secret}"
        self.assertIn("vsd_certificate: goes without a password", self.problems(both))
        self.secret.chmod(0o644)
        self.assertIn("chmod 600", self.problems(f"{url}vsd_private_key: {self.secret}"))
        self.assertIn("chmod 600", self.problems(f"{url}vsd_password_file: {self.secret}"))

    def test_any_certificate(self) -> None:
        """It takes a whole word to leave the VSD's certificate unchecked, and a CA's contradicts it."""
        self.assertFalse(self.load(f"vsd_url: https://vsd\n{self.file}").vsd_accept_any_certificate)
        any_one = f"vsd_url: https://vsd\n{self.file}vsd_accept_any_certificate: true\n"
        self.assertTrue(self.load(any_one).vsd_accept_any_certificate)
        self.assertIn(
            "vsd_accept_any_certificate: goes without vsd_ca_certificate",
            self.problems(f"{any_one}vsd_ca_certificate: {self.secret}"),
        )
        for text in ("1", "maybe", "'true'", "[]"):
            self.assertIn("true or false", self.problems(f"vsd_accept_any_certificate: {text}"))

    def test_without_a_vsd(self) -> None:
        """Then the keys of a VSD are mistakes."""
        for line in (*self.file.splitlines(), f"vsd_ca_certificate: {self.secret}", f"vsd_certificate: {self.secret}"):
            with self.subTest(line):
                key = line.partition(":")[0]
                self.assertIn(f"{key}: is only for a VSD; vsd_url is empty", self.problems(line))

    def test_a_call_outlasts_the_vsd(self) -> None:
        vsd = f"vsd_url: https://vsd\n{self.file}"
        message = self.problems(f"{vsd}vsd_timeout: 6")
        self.assertIn("resolve_timeout and vsd_timeout together, 36 seconds", message)
        self.assertEqual(self.load("vsd_timeout: 6").vsd_timeout, 6)

    def test_versions(self) -> None:
        for good in ("v5_0", "v6"):
            self.assertEqual(self.load(f"vsd_version: {good}").vsd_version, good)
        for bad in ("6", "v6/../..", "v", "[]", "''"):
            self.assertIn("vsd_version: ", self.problems(f"vsd_version: {bad}"))

    def test_the_password_is_a_secret(self) -> None:
        """It is in no message and no representation, and its file is closed to others."""
        url = "vsd_url: https://vsd\nvsd_user: csproot\n"
        self.path.write_text(f"{url}vsd_password: s3cret")
        self.path.chmod(0o640)
        message = str(self.assertRaises(ConfigurationError, load, self.path, {}))
        self.assertIn(f"line 3: vsd_password: is a secret, and {self.path} is open to other users", message)
        self.assertIn(f"chmod 600 {self.path}", message)
        messages = [message, repr(self.closed(f"{url}vsd_password: s3cret"))]
        for bad in ("[s3cret]", '"s3cret\\n"', "{s3cret: 1}", "12345678", "!!binary s3cr"):
            with self.subTest(bad):
                text = f"{url}vsd_password: {bad}"
                message = str(self.assertRaises(ConfigurationError, self.closed, text))
                self.assertIn("vsd_password: ", message)
                messages.append(message)
        messages.append(str(self.assertRaises(ConfigurationError, self.closed, url, VSD_PASSWORD="s3cret\n")))
        for message in messages:
            for part in ("s3cr", "12345678"):
                self.assertNotIn(part, message)

    def test_a_password_that_is_no_yaml(self) -> None:
        """What YAML says of it repeats it: the message has its line instead, and what to do."""
        for bad in (
            *("*s3cret", "!s3cret", "!s3cret x", "!<s3cret> x", "!s3c!ret x", "!!int s3cret", "!!float s3cret"),
            *(
                "!!timestamp s3cret",
                "!!bool s3cret",
                "{*s3cret : 1}",
                "{[s3cret]: 1}",
                "&s3cret [*s3cre]",
            ),
        ):
            with self.subTest(bad):
                text = f"vsd_url: https://vsd\nvsd_user: csproot\nvsd_password: {bad}"
                message = str(self.assertRaises(ConfigurationError, self.closed, text))
                self.assertIn("line 3", message)
                self.assertNotIn("s3c", message)

    def test_a_password_in_a_url(self) -> None:
        """It does not belong there, and is not shown."""
        for text in (
            *("vsd_url: http://u:s3cret@vsd", "vsd_url: https://u:s3c@cret@vsd", "vsd_url: https://u:s3c/cret@vsd"),
            *("vsd_url: [https://a, 'http://u:s3cret@vsd']", "DockerEndpoint: tcp://u:s3cret@vsd:1"),
        ):
            with self.subTest(text):
                message = self.problems(text)
                self.assertIn("@vsd", message)
                for part in ("s3c", "cret"):
                    self.assertNotIn(part, message)

    def test_the_password_from_a_variable(self) -> None:
        """As it is, also one that looks like a number."""
        for text in ("s3cret", "12345678", "'q'", "a: b"):
            config = self.closed("vsd_url: https://vsd\nvsd_user: csproot", VSD_PASSWORD=text)
            self.assertEqual(config.vsd_password, text)


class Environment(ConfigCase):
    """Variables, which come before the file."""

    def configured(self, text: str = "", **variables: str) -> Config:
        """Read a file and variables, whose names are given without their prefix."""
        self.path.write_text(text)
        return load(self.path, {"PATH": "/bin", **{f"NUAGE_{name}": value for name, value in variables.items()}})

    def wrong(self, text: str = "", **variables: str) -> str:
        """Return what is said of variables that cannot be used."""
        return str(self.assertRaises(ConfigurationError, self.configured, text, **variables))

    def test_every_key(self) -> None:
        files = self.key_files()
        given: dict[str, Any] = {
            "vrs_endpoint": "ssl:vrs:6632",
            "vrs_port": 7000,
            "vrs_bridge": "br7",
            **files,
            "vrs_server_name": "sw1",
            "docker_endpoint": "tcp://docker:2375",
            "log_level": "Warn",
            "scope": "local",
            "plugin_socket": Path("/run/docker/plugins/other.sock"),
            "control_socket": Path("/run/other/control.sock"),
            "status_endpoint": "0.0.0.0:9680",
            "mtu": 1500,
            "call_timeout": 60.5,
            "vrs_timeout": 1.0,
            "wire_timeout": 2.0,
            "resolve_timeout": 0.0,
            "label_policy": "late",
            "site_id": "north",
            "docker_timeout": 3.0,
            "probe_interval": 4.0,
            "audit_interval": 600.0,
            "vsd_url": ("https://a:8443", "https://b:1"),
            "vsd_version": "v5_0",
            "vsd_organization": "Enterprise",
            "vsd_user": "nuage",
            "vsd_password": "12345678",
            "vsd_ca_certificate": files["vrs_ca_certificate"],
            "vsd_address_form": "container",
            "vsd_timeout": 5.0,
        }
        # They contradict others.
        elsewhere = {"vsd_password_file", "vsd_certificate", "vsd_private_key", "vsd_accept_any_certificate"}
        self.assertEqual({*given} | elsewhere, {field.name for field in attrs.fields(Config)})
        variables = {name.upper(): str(value) for name, value in given.items()}
        variables["VSD_URL"] = "https://a, https://b:1"
        self.assertEqual(self.configured("", **variables), Config(**given))

    def test_before_the_file(self) -> None:
        config = self.configured("mtu: 1500\nScope: local\n", MTU="1400")
        self.assertEqual((config.mtu, config.scope), (1400, "local"))

    def test_empty_counts_as_not_given(self) -> None:
        config = self.configured("site_id: north\n", SITE_ID="", MTU="", NO_SUCH_KEY="")
        self.assertEqual((config.site_id, config.mtu), ("north", 1450))

    def test_spellings(self) -> None:
        for name in ("VRS_BRIDGE", "VRSBRIDGE", "VrsBridge", "vrs_bridge"):
            with self.subTest(name):
                self.assertEqual(self.configured(**{name: "br7"}).vrs_bridge, "br7")

    def test_others_are_left_alone(self) -> None:
        self.path.touch()
        self.assertEqual(load(self.path, {"MTU": "1", "nuage_mtu": "1", "XNUAGE_MTU": "1"}), Config())

    def test_text_that_looks_like_something_else(self) -> None:
        """A variable has no quotes: what YAML takes for a number is a text if a text is needed."""
        for text in ("42", "1:30", "2026-01-01", "2026-99-99", "yes", "1e3", "=", "<<", "'x'"):
            with self.subTest(text):
                self.assertEqual(self.configured(SITE_ID=text).site_id, text)
        self.assertIsNone(self.configured("site_id: north", SITE_ID="null").site_id)

    def test_all_problems_at_once(self) -> None:
        message = self.wrong("LogLevel: loud\n", MTU="1", SCOPE="moon", SKOPE="local", VRSPORT="1", VRS_PORT="2")
        expected = (
            f"{self.path} and the environment: 5 problems",
            "line 1: LogLevel: 'loud' is not allowed; allowed is Debug",
            "NUAGE_MTU: '1' is not allowed; allowed is a whole number from 1280 to 65535",
            "NUAGE_SCOPE: 'moon' is not allowed; allowed is local or global",
            'unknown variable "NUAGE_SKOPE"; did you mean "NUAGE_SCOPE"?',
            '"NUAGE_VRS_PORT" was given before, as "NUAGE_VRSPORT": keep one of them',
        )
        for line, part in zip(message.splitlines(), expected, strict=True):
            self.assertIn(part, line)

    def test_unknown_names_the_known_ones(self) -> None:
        self.assertIn(
            'unknown variable "NUAGE_"; known are NUAGE_VRS_ENDPOINT, NUAGE_VRS_PORT', self.wrong(**{"": "x"})
        )

    def test_contradiction_with_the_file(self) -> None:
        self.assertIn("call_timeout: 20 has to be longer", self.wrong("call_timeout: 20", RESOLVE_TIMEOUT="10"))
        self.assertEqual(self.configured("call_timeout: 30.5", RESOLVE_TIMEOUT="0").call_timeout, 30.5)

    def test_a_file_is_needed(self) -> None:
        missing = self.folder / "none"
        message = str(self.assertRaises(ConfigurationError, load, missing, {"NUAGE_SCOPE": "local"}))
        self.assertIn(f"{missing}: cannot be read", message)


class ManagedPlugin(SynchronousTestCase):
    """What the managed plugin can be set to."""

    def test_every_key_with_its_default(self) -> None:
        """The VRS's socket is mounted, so it is the endpoint; where the plugin's own is, Docker says.

        The control socket is in the folder that Docker makes for the plugin's own: there the host has it too.
        """
        described = json.loads(MANAGED.read_text())["env"]
        names = {f"NUAGE_{field.name.upper()}" for field in attrs.fields(Config)}
        self.assertEqual(
            {variable["name"] for variable in described}, names - {"NUAGE_PLUGIN_SOCKET", "NUAGE_VSD_PASSWORD"}
        )
        path = Path(self.mktemp())
        path.touch()
        config = load(path, {variable["name"]: variable["value"] for variable in described})
        expected = Config(
            vrs_endpoint="unix:/var/run/openvswitch/db.sock",
            docker_endpoint="unix:///run/host/docker.sock",
            control_socket=Path("/run/docker/plugins/control.sock"),
        )
        self.assertEqual(config, expected)
        for variable in described:
            self.assertEqual(variable["settable"], ["value"])
            self.assertTrue(variable["description"])


class Anything(SynchronousTestCase):
    """Nothing that is given is answered with anything but a configuration or a readable message."""

    @settings(deadline=None, max_examples=300)
    @given(
        st.dictionaries(
            st.one_of(
                st.sampled_from([f"NUAGE_{field.name.upper()}" for field in attrs.fields(Config)]),
                st.text().map("NUAGE_".__add__),
            ),
            st.one_of(st.text(), st.integers().map(str), st.floats().map(str), st.sampled_from("~=<-*&!|>%@`[{:#?")),
            max_size=4,
        )
    )
    def test_any_environment(self, environ: dict[str, str]) -> None:
        try:
            self.assertIsInstance(load(SHIPPED, environ), Config)
        except ConfigurationError as problem:
            contradictions = ("has to be longer", "is only for", "goes without", "missing")
            self.assertTrue(any(part in str(problem) for part in (*environ, *contradictions)), str(problem))

    @settings(deadline=None, max_examples=200)
    @given(
        st.one_of(
            st.binary(max_size=60),
            st.text(max_size=60).map(str.encode),
            st.dictionaries(
                st.sampled_from([field.metadata["yaml"] for field in attrs.fields(Config)]),
                st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())),
            ).map(lambda entries: yaml.safe_dump(entries).encode()),
        )
    )
    def test_anything(self, content: bytes) -> None:
        path = Path(mkdtemp()) / "nuage.yaml"
        try:
            path.write_bytes(content)
            self.assertIsInstance(load(path, {}), Config)
        except ConfigurationError as problem:
            self.assertIn(str(path), str(problem))
        finally:
            os.remove(path)
            path.parent.rmdir()
