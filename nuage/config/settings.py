"""The keys of the configuration.

A key is one attribute of :class:`Config`. Its metadata holds everything else about it: how the file spells it, what is
allowed, and how a value is checked. There is no second list of keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from nuage.config import checks

_SECONDS = "a number of seconds from 0.1 to 600"
_PEM = "the absolute path of a PEM file"


def _key(spelling: str, check: checks.Check, allowed: str, *, secret: bool = False) -> dict[str, Any]:
    """Describe one key.

    Args:
        spelling: How the file spells it.
        check: How its value is checked.
        allowed: What is allowed, in words.
        secret: Whether its value is never shown.
    """
    return {"yaml": spelling, "check": check, "allowed": allowed, "secret": secret}


@attrs.frozen(kw_only=True)
class Config:
    """What the daemon is told to do. Times are in seconds, sizes in bytes."""

    vrs_endpoint: str = attrs.field(
        default="localhost",
        metadata=_key(
            "VrsEndpoint", checks.vrs_endpoint, "a host name, an IP address, unix:/path, tcp:host:port or ssl:host:port"
        ),
    )
    vrs_port: int = attrs.field(default=6633, metadata=_key("VrsPort", *checks.whole_number(1, 65535)))
    vrs_bridge: str = attrs.field(
        default="alubr0", metadata=_key("VrsBridge", checks.device_name, "the name of a bridge")
    )
    vrs_private_key: Path | None = attrs.field(default=None, metadata=_key("vrs_private_key", checks.secret_file, _PEM))
    vrs_certificate: Path | None = attrs.field(
        default=None, metadata=_key("vrs_certificate", checks.readable_file, _PEM)
    )
    vrs_ca_certificate: Path | None = attrs.field(
        default=None, metadata=_key("vrs_ca_certificate", checks.readable_file, _PEM)
    )
    vrs_server_name: str | None = attrs.field(
        default=None,
        metadata=_key("vrs_server_name", checks.certificate_name, "the name in the switch's certificate"),
    )
    docker_endpoint: str = attrs.field(
        default="unix:///var/run/docker.sock",
        metadata=_key("DockerEndpoint", checks.docker_endpoint, "unix:///path or tcp://host:port"),
    )
    log_level: str = attrs.field(
        default="Info",
        metadata=_key("LogLevel", checks.one_of(checks.LOG_LEVELS), "Debug, Info, Warn, Error or Critical"),
    )
    scope: str = attrs.field(default="global", metadata=_key("Scope", checks.one_of(checks.SCOPES), "local or global"))
    plugin_socket: Path = attrs.field(
        default=Path("/run/docker/plugins/nuage.sock"),
        metadata=_key("plugin_socket", checks.socket_path, "an absolute path of up to 107 bytes"),
    )
    control_socket: Path = attrs.field(
        default=Path("/run/nuage/control.sock"),
        metadata=_key("control_socket", checks.socket_path, "an absolute path of up to 107 bytes"),
    )
    status_endpoint: str | None = attrs.field(
        default=None, metadata=_key("status_endpoint", checks.listening_address, "a port, or address:port")
    )
    mtu: int = attrs.field(default=1450, metadata=_key("mtu", *checks.whole_number(checks.MTU_MIN, checks.MTU_MAX)))
    call_timeout: float = attrs.field(default=35.0, metadata=_key("call_timeout", checks.seconds, _SECONDS))
    vrs_timeout: float = attrs.field(default=10.0, metadata=_key("vrs_timeout", checks.seconds, _SECONDS))
    wire_timeout: float = attrs.field(default=10.0, metadata=_key("wire_timeout", checks.seconds, _SECONDS))
    resolve_timeout: float = attrs.field(
        default=10.0, metadata=_key("resolve_timeout", checks.seconds_or_none, f"0, which does not wait, or {_SECONDS}")
    )
    label_policy: str = attrs.field(
        default="strict",
        metadata=_key("label_policy", checks.one_of(checks.LABEL_POLICIES), "strict or late"),
    )
    site_id: str | None = attrs.field(default=None, metadata=_key("site_id", checks.name, "a name"))
    docker_timeout: float = attrs.field(default=2.0, metadata=_key("docker_timeout", checks.seconds, _SECONDS))
    probe_interval: float = attrs.field(default=5.0, metadata=_key("probe_interval", checks.seconds, _SECONDS))
    audit_interval: float = attrs.field(default=30.0, metadata=_key("audit_interval", checks.seconds, _SECONDS))
    vsd_url: tuple[str, ...] | None = attrs.field(
        default=None, metadata=_key("vsd_url", checks.vsd_urls, "https://host:port, or several for a cluster")
    )
    vsd_version: str = attrs.field(
        default="v6", metadata=_key("vsd_version", checks.vsd_version, "a version of the interface, such as v5_0 or v6")
    )
    vsd_organization: str = attrs.field(default="csp", metadata=_key("vsd_organization", checks.name, "a name"))
    vsd_user: str | None = attrs.field(
        default=None, metadata=_key("vsd_user", checks.vsd_user, "a name without a colon")
    )
    vsd_password: str | None = attrs.field(
        default=None,
        repr=False,
        metadata=_key("vsd_password", checks.password, "a text in one line, in quotes", secret=True),
    )
    vsd_password_file: Path | None = attrs.field(
        default=None, metadata=_key("vsd_password_file", checks.secret_file, "the absolute path of a file")
    )
    vsd_certificate: Path | None = attrs.field(
        default=None, metadata=_key("vsd_certificate", checks.readable_file, _PEM)
    )
    vsd_private_key: Path | None = attrs.field(default=None, metadata=_key("vsd_private_key", checks.secret_file, _PEM))
    vsd_ca_certificate: Path | None = attrs.field(
        default=None, metadata=_key("vsd_ca_certificate", checks.readable_file, _PEM)
    )
    vsd_accept_any_certificate: bool = attrs.field(
        default=False, metadata=_key("vsd_accept_any_certificate", checks.boolean, "true or false")
    )
    vsd_address_form: str = attrs.field(
        default="auto",
        metadata=_key("vsd_address_form", checks.one_of(checks.ADDRESS_FORMS), "auto, reservation or container"),
    )
    vsd_timeout: float = attrs.field(default=4.0, metadata=_key("vsd_timeout", checks.seconds, _SECONDS))

    @property
    def vrs_remote(self) -> str:
        """The switch's database as an OVS connection method (ovsdb(7), "Connection Methods")."""
        if self.vrs_endpoint.partition(":")[0] in checks.OVS_SCHEMES and ":" in self.vrs_endpoint:
            return self.vrs_endpoint
        host = f"[{self.vrs_endpoint}]" if ":" in self.vrs_endpoint else self.vrs_endpoint
        return f"tcp:{host}:{self.vrs_port}"
