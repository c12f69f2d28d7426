"""Values of the configuration that are good by themselves and bad together."""

from __future__ import annotations

from collections.abc import Iterator

from nuage.config.settings import Config


def contradictions(config: Config) -> Iterator[tuple[set[str], str]]:
    """Yield problems of values that are good by themselves and bad together, with the attributes they are about."""
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
    needed = config.vrs_timeout + config.wire_timeout + config.resolve_timeout
    if config.call_timeout <= needed:
        yield (
            {"call_timeout", "vrs_timeout", "wire_timeout", "resolve_timeout"},
            f"call_timeout: {config.call_timeout:g} has to be longer than vrs_timeout, wire_timeout and "
            f"resolve_timeout together, "
            f"{needed:g} seconds",
        )
