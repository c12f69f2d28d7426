"""Values of the configuration that are good by themselves and bad together."""

from __future__ import annotations

from collections.abc import Iterator

from nuage.config.settings import Config

#: The attributes that something is about, and what is wrong with them.
Contradiction = tuple[set[str], str]


def contradictions(config: Config) -> Iterator[Contradiction]:
    """Yield problems of values that are good by themselves and bad together, with the attributes they are about."""
    yield from _of_the_vrs(config)
    yield from _of_the_vsd(config) if config.vsd_url else _without_vsd(config)
    yield from _of_time(config)
    yield from _of_the_sockets(config)


def _of_the_vrs(config: Config) -> Iterator[Contradiction]:
    tls = ("vrs_private_key", "vrs_certificate", "vrs_ca_certificate")
    secure = config.vrs_remote.startswith("ssl:")
    for name in tls:
        path = getattr(config, name)
        if secure and path is None:
            yield {name, "vrs_endpoint"}, f'{name}: missing; "{config.vrs_endpoint}" needs all of {", ".join(tls)}'
        if path is not None and not secure:
            text = f'{name}: "{path}" is only for an ssl: endpoint; VrsEndpoint is "{config.vrs_endpoint}"'
            yield {name, "vrs_endpoint"}, text
    if config.vrs_server_name is not None and not secure:
        text = f'vrs_server_name: is only for an ssl: endpoint; VrsEndpoint is "{config.vrs_endpoint}"'
        yield {"vrs_server_name", "vrs_endpoint"}, text


def _of_the_vsd(config: Config) -> Iterator[Contradiction]:
    if config.vsd_user is None:
        yield {"vsd_user", "vsd_url"}, "vsd_user: missing; it is the account by which the VSD is asked"
    yield from _of_credentials(config)
    if config.vsd_accept_any_certificate and config.vsd_ca_certificate:
        text = "vsd_accept_any_certificate: goes without vsd_ca_certificate; remove one of them"
        yield {"vsd_accept_any_certificate", "vsd_ca_certificate"}, text


def _of_credentials(config: Config) -> Iterator[Contradiction]:
    """Find out whether there is one way to log in at the VSD, and no second one."""
    passwords = {name for name in ("vsd_password", "vsd_password_file") if getattr(config, name) is not None}
    pair = {"vsd_certificate", "vsd_private_key"}
    lacking = {name for name in pair if getattr(config, name) is None}
    if len(passwords) == 2:
        yield passwords, "vsd_password: goes without vsd_password_file; remove one of them"
    if passwords and not lacking:
        yield passwords | pair, f"vsd_certificate: goes without a password; remove it or {', '.join(sorted(passwords))}"
    if len(lacking) == 1:
        (name,) = lacking
        yield pair, f"{name}: missing; {(pair - lacking).pop()} needs it"
    if not passwords and lacking == pair:
        yield (
            {"vsd_url", "vsd_password", "vsd_password_file", *pair},
            "vsd_password_file: missing; the VSD is asked with a password (vsd_password_file or vsd_password) or with "
            "a certificate (vsd_certificate and vsd_private_key)",
        )


def _without_vsd(config: Config) -> Iterator[Contradiction]:
    for name in (
        "vsd_user",
        "vsd_password",
        "vsd_password_file",
        "vsd_certificate",
        "vsd_private_key",
        "vsd_ca_certificate",
    ):
        if getattr(config, name) is not None:
            yield {name, "vsd_url"}, f"{name}: is only for a VSD; vsd_url is empty"


def _of_time(config: Config) -> Iterator[Contradiction]:
    names = ["vrs_timeout", "wire_timeout", "resolve_timeout", *(["vsd_timeout"] if config.vsd_url else [])]
    needed = sum(getattr(config, name) for name in names)
    if config.call_timeout <= needed:
        listed = f"{', '.join(names[:-1])} and {names[-1]}"
        text = f"call_timeout: {config.call_timeout:g} has to be longer than {listed} together, {needed:g} seconds"
        yield {"call_timeout", *names}, text


def _of_the_sockets(config: Config) -> Iterator[Contradiction]:
    """If systemd passes them, they are told apart by the names of their files."""
    if config.control_socket.name == config.plugin_socket.name:
        text = f'control_socket: "{config.control_socket}" has the file name of plugin_socket; give it another one'
        yield {"control_socket", "plugin_socket"}, text
