"""The configuration file: one YAML mapping, read into a frozen :class:`Config`.

A key is one attribute of :class:`Config`; its metadata holds everything else that is known of it: how it is spelled in
the file, what is allowed and how a value is checked. There is no second list of keys. Every problem of a file is
found and told at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import attrs
import yaml

from nuage.errors import ConfigurationError
from nuage.names import is_name
from nuage.suggest import did_you_mean

#: Turns a value as YAML read it into the one that is kept; ValueError refuses it. Its text, where it has one, is
#: the reason; otherwise what is allowed is said.
Check = Callable[[Any], Any]

_OVS_SCHEMES = ("unix", "tcp", "ssl")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_.-]{1,253}(?<!-)")
_DEVICE_NAME = re.compile(r"[!-.0-9;-~]{1,15}")
_SCOPES = {"local": "local", "global": "global"}
_LOG_LEVELS = {"debug": "Debug", "info": "Info", "warn": "Warn", "warning": "Warn", "error": "Error"}
_LOG_LEVELS |= {"critical": "Critical"}

#: RFC 8200, section 5: no link that carries IPv6 may have a smaller MTU.
_MTU_MIN, _MTU_MAX = 1280, 65535
_SECONDS = "a number of seconds from 0.1 to 600"
_PEM = "the absolute path of a PEM file"


def _whole_number(low: int, high: int) -> tuple[Check, str]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return value

    return check, f"a whole number from {low} to {high}"


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.1 <= value <= 600:
        raise ValueError
    return float(value)


def _seconds_or_none(value: Any) -> float:
    return 0.0 if value == 0 and not isinstance(value, bool) else _seconds(value)


def _name(value: Any) -> str:
    if not is_name(value):
        raise ValueError
    return value


def _device_name(value: Any) -> str:
    if not isinstance(value, str) or not _DEVICE_NAME.fullmatch(value) or value in (".", ".."):
        raise ValueError("is no device name of 1 to 15 printable characters without space, slash and colon")
    return value


def _one_of(choices: Mapping[str, str]) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in choices:
            raise ValueError
        return choices[value.lower()]

    return check


def _host_port(text: str) -> tuple[str, int]:
    """Split ``host:port``; an IPv6 address stands in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ValueError(f'has no port between 1 and 65535 after the host in "{text}"')
    if host.startswith("[") and host.endswith("]"):
        return str(IPv6Address(host[1:-1])), int(port)
    if not _HOST_NAME.fullmatch(host):
        raise ValueError(f'has no usable host name or address in "{text}" (an IPv6 address stands in brackets)')
    return host, int(port)


def _absolute(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise ValueError(f'needs an absolute path, not "{path}"')
    return path


def _vrs_endpoint(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    scheme, colon, rest = value.partition(":")
    if colon and scheme in _OVS_SCHEMES:
        _absolute(rest) if scheme == "unix" else _host_port(rest)
        return value
    try:
        return str(IPv6Address(value.removeprefix("[").removesuffix("]")))
    except ValueError:
        if _HOST_NAME.fullmatch(value):
            return value
        raise ValueError from None


def _docker_endpoint(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    scheme, _, rest = value.partition("://")
    if scheme == "unix":
        _absolute(rest)
    elif scheme == "tcp":
        _host_port(rest)
    else:
        raise ValueError
    return value


def _path(value: Any) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError
    return Path(_absolute(value))


def _socket_path(value: Any) -> Path:
    path = _path(value)
    # unix(7): sun_path is 108 bytes, one of them ends the string.
    if len(os.fsencode(path)) > 107:
        raise ValueError("is longer than the 107 bytes that the path of a socket may have")
    return path


def _readable_file(value: Any) -> Path:
    path = _path(value)
    if not path.is_file():
        raise ValueError("does not exist" if not path.exists() else "is not a file")
    if not os.access(path, os.R_OK):
        raise ValueError("cannot be read by this user")
    return path


def _secret_file(value: Any) -> Path:
    path = _readable_file(value)
    if path.stat().st_mode & 0o077:
        raise ValueError(f"holds a secret and is open to other users: chmod 600 {path}")
    return path


def _key(spelling: str, check: Check, allowed: str) -> dict[str, Any]:
    """Describe one key: how the file spells it, how its value is checked, and in words what it may be."""
    return {"yaml": spelling, "check": check, "allowed": allowed}


@attrs.frozen(kw_only=True)
class Config:
    """What the daemon is told to do. Times are in seconds, sizes in bytes."""

    vrs_endpoint: str = attrs.field(
        default="localhost",
        metadata=_key(
            "VrsEndpoint", _vrs_endpoint, "a host name, an IP address, unix:/path, tcp:host:port or ssl:host:port"
        ),
    )
    vrs_port: int = attrs.field(default=6633, metadata=_key("VrsPort", *_whole_number(1, 65535)))
    vrs_bridge: str = attrs.field(default="alubr0", metadata=_key("VrsBridge", _device_name, "the name of a bridge"))
    vrs_private_key: Path | None = attrs.field(default=None, metadata=_key("vrs_private_key", _secret_file, _PEM))
    vrs_certificate: Path | None = attrs.field(default=None, metadata=_key("vrs_certificate", _readable_file, _PEM))
    vrs_ca_certificate: Path | None = attrs.field(
        default=None, metadata=_key("vrs_ca_certificate", _readable_file, _PEM)
    )
    docker_endpoint: str = attrs.field(
        default="unix:///var/run/docker.sock",
        metadata=_key("DockerEndpoint", _docker_endpoint, "unix:///path or tcp://host:port"),
    )
    log_level: str = attrs.field(
        default="Info", metadata=_key("LogLevel", _one_of(_LOG_LEVELS), "Debug, Info, Warn, Error or Critical")
    )
    scope: str = attrs.field(default="global", metadata=_key("Scope", _one_of(_SCOPES), "local or global"))
    plugin_socket: Path = attrs.field(
        default=Path("/run/docker/plugins/nuage.sock"),
        metadata=_key("plugin_socket", _socket_path, "an absolute path of up to 107 bytes"),
    )
    mtu: int = attrs.field(default=1450, metadata=_key("mtu", *_whole_number(_MTU_MIN, _MTU_MAX)))
    call_timeout: float = attrs.field(default=35.0, metadata=_key("call_timeout", _seconds, _SECONDS))
    vrs_timeout: float = attrs.field(default=10.0, metadata=_key("vrs_timeout", _seconds, _SECONDS))
    wire_timeout: float = attrs.field(default=10.0, metadata=_key("wire_timeout", _seconds, _SECONDS))
    resolve_timeout: float = attrs.field(
        default=10.0, metadata=_key("resolve_timeout", _seconds_or_none, f"0, which does not wait, or {_SECONDS}")
    )
    site_id: str | None = attrs.field(default=None, metadata=_key("site_id", _name, "a name"))
    docker_timeout: float = attrs.field(default=2.0, metadata=_key("docker_timeout", _seconds, _SECONDS))
    probe_interval: float = attrs.field(default=5.0, metadata=_key("probe_interval", _seconds, _SECONDS))

    audit_interval: float = attrs.field(default=30.0, metadata=_key("audit_interval", _seconds, _SECONDS))

    @property
    def vrs_remote(self) -> str:
        """The switch's database as an OVS connection method (ovsdb(7), "Connection Methods")."""
        if self.vrs_endpoint.partition(":")[0] in _OVS_SCHEMES and ":" in self.vrs_endpoint:
            return self.vrs_endpoint
        host = f"[{self.vrs_endpoint}]" if ":" in self.vrs_endpoint else self.vrs_endpoint
        return f"tcp:{host}:{self.vrs_port}"


def load(path: Path) -> Config:
    """Read the configuration in the file ``path``. An empty file means all defaults.

    Raises:
        ConfigurationError: The file cannot be read or used; the message lists every problem in it.
    """
    try:
        entries = _entries(path.read_bytes())
    except OSError as problem:
        raise ConfigurationError(f"{path}: cannot be read: {problem.strerror}") from problem
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise ConfigurationError(f"{path}{_yaml_problem(problem)}") from problem
    values, refused, problems = _checked(entries)
    config = Config(**values)
    problems += [problem for keys, problem in _contradictions(config) if refused.isdisjoint(keys)]
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise ConfigurationError(f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}{lines}")
    return config


def _entries(content: bytes) -> list[tuple[str, int, Any]]:
    """Return the key as written, the line and the value of each entry, in the file's order and with duplicates."""
    loader = yaml.SafeLoader(content)
    try:
        root = loader.get_single_node()
        if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == "tag:yaml.org,2002:null"):
            return []
        if not isinstance(root, yaml.MappingNode):
            raise ValueError('is not a mapping: it has to hold lines of the form "key: value"')
        return [
            (str(key.value), key.start_mark.line + 1, loader.construct_document(value)) for key, value in root.value
        ]
    finally:
        loader.dispose()


def _yaml_problem(problem: Exception) -> str:
    mark = getattr(problem, "problem_mark", None)
    if mark is not None:
        return f", line {mark.line + 1}, column {mark.column + 1}: is not YAML: {getattr(problem, 'problem', problem)}"
    if isinstance(problem, yaml.YAMLError):
        return f": is not YAML: {' '.join(str(problem).split())}"
    return f": {problem}"


def _folded(key: str) -> str:
    """Reduce a key to what tells it from others: case, ``_`` and ``-`` do not count."""
    return key.lower().replace("_", "").replace("-", "")


def _checked(entries: list[tuple[str, int, Any]]) -> tuple[dict[str, Any], set[str], list[str]]:
    """Return the values of the good entries by attribute, the attributes with a bad one, and the problems."""
    known = {_folded(field.metadata["yaml"]): field for field in attrs.fields(Config)}
    values: dict[str, Any] = {}
    refused: set[str] = set()
    problems: list[str] = []
    first_lines: dict[str, str] = {}
    for key, line, value in entries:
        folded = _folded(key)
        field = known.get(folded)
        if field is None:
            hint = _nearest(folded, known)
            problems.append(f'line {line}: unknown key "{key}"{hint}')
        elif folded in first_lines:
            problems.append(f'line {line}: "{key}" was given before, as {first_lines[folded]}: keep one of them')
        else:
            first_lines[folded] = f'"{key}" in line {line}'
            try:
                values[field.name] = _value(field, value)
            except ValueError as problem:
                refused.add(field.name)
                problems.append(f"line {line}: {key}: {_shown(value)} {_reason(problem, field.metadata['allowed'])}")
    return values, refused, problems


def _value(field: attrs.Attribute[Any], value: Any) -> Any:
    """Check a value; one that is left empty is allowed where the default is none too."""
    if value is None and field.default is None:
        return None
    return field.metadata["check"](value)


def _nearest(folded: str, known: Mapping[str, attrs.Attribute[Any]]) -> str:
    hint = did_you_mean(folded, known)
    for name, field in known.items():
        hint = hint.replace(f'"{name}"', f'"{field.metadata["yaml"]}"')
    return hint or f"; known are {', '.join(field.metadata['yaml'] for field in known.values())}"


def _shown(value: Any) -> str:
    shown = "(empty)" if value is None else repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}…"


def _reason(problem: ValueError, allowed: str) -> str:
    return f"{problem}; allowed is {allowed}" if str(problem) else f"is not allowed; allowed is {allowed}"


def _contradictions(config: Config) -> Iterator[tuple[set[str], str]]:
    """Find values that are good each and bad together; each comes with the attributes that it is about."""
    tls = ("vrs_private_key", "vrs_certificate", "vrs_ca_certificate")
    secure = config.vrs_remote.startswith("ssl:")
    for name in tls:
        path = getattr(config, name)
        if secure and path is None:
            yield {name, "vrs_endpoint"}, f'{name}: missing; "{config.vrs_endpoint}" needs all of {", ".join(tls)}'
        if path is not None and not secure:
            text = f'{name}: "{path}" goes with an ssl: endpoint only; VrsEndpoint is "{config.vrs_endpoint}"'
            yield {name, "vrs_endpoint"}, text
    needed = config.vrs_timeout + config.wire_timeout + config.resolve_timeout
    if config.call_timeout <= needed:
        yield (
            {"call_timeout", "vrs_timeout", "wire_timeout", "resolve_timeout"},
            f"call_timeout: {config.call_timeout:g} has to be longer than vrs_timeout, wire_timeout and "
            f"resolve_timeout together, "
            f"{needed:g} seconds",
        )
