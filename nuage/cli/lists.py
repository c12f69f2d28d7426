"""``nuage-plugin endpoints`` and ``nuage-plugin networks``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import RenderableType

from nuage.cli.control import Control
from nuage.cli.output import again, as_json, show, table
from nuage.status.report import State
from nuage.text import age

Rows = Sequence[Mapping[str, Any]]


@click.command()
@click.option("--state", type=click.Choice([state.value for state in State]), help="Only those in this state.")
@as_json
@again
@click.pass_obj
def endpoints(control: Control, state: str | None, json_wanted: bool, watch: bool) -> int:
    """List the endpoints of this host.

    Exits with 1 if one is refused or suspect.
    """

    def fetch() -> dict[str, Any]:
        report: dict[str, Any] = control.get("/status")
        shown = [each for each in report["endpoints"] if state in (None, each["state"])]
        return {"time": report["time"], "endpoints": shown, "networks": report["networks"]}

    def rows_alone() -> Any:
        return fetch()["endpoints"]

    shown = show(rows_alone if json_wanted else fetch, _endpoints, json_wanted=json_wanted, watch=watch)
    listed = shown if json_wanted else shown["endpoints"]
    return 1 if any(each["state"] in ("refused", "suspect") and not each["gone"] for each in listed) else 0


def _endpoints(content: Mapping[str, Any]) -> RenderableType:
    now, networks = content["time"], {each["id"]: each for each in content["networks"]}
    titles = ("ENDPOINT", "CONTAINER", "NETWORK", "SUBNET", "ADDRESS", "LINK", "POLICY GROUP", "STATE", "SINCE", "WHY")
    return table(
        titles,
        (
            (
                each["id"][:12],
                each["container"],
                (each["network_id"] or "")[:12],
                _place(networks.get(each["network_id"])),
                each["address"],
                each["link"],
                f"{each['policy_group']} ({each['policy_from']})" if each["policy_group"] else None,
                f"{each['state']}, gone" if each["gone"] else each["state"],
                age(now - each["since"]),
                each["reason"],
            )
            for each in content["endpoints"]
        ),
    )


@click.command()
@as_json
@again
@click.pass_obj
def networks(control: Control, json_wanted: bool, watch: bool) -> int:
    """List the Nuage networks that this host knows."""
    show(lambda: control.get("/networks"), _networks, json_wanted=json_wanted, watch=watch)
    return 0


def _networks(rows: Rows) -> RenderableType:
    titles = ("NETWORK", "ORGANIZATION", "DOMAIN", "ZONE", "SUBNET", "POOL", "GATEWAY", "POLICY GROUP", "ENDPOINTS")
    return table(
        titles,
        (
            (
                each["id"][:12],
                each["organization"],
                each["domain"],
                each["zone"],
                each["subnet"],
                each["pool"],
                "docker_gwbridge" if each.get("gwbridge") else each["gateway"],
                each["policy_group"],
                ", ".join(f"{count} {state}" for state, count in each["endpoints"].items()) or "none",
            )
            for each in rows
        ),
    )


def _place(network: Mapping[str, Any] | None) -> str | None:
    return None if network is None else network["subnet"] or network["domain"]
