"""``nuage-plugin topology``: the places of Nuage, and the networks and endpoints in them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import attrs
import click
from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from nuage.cli.control import Control
from nuage.cli.output import again, as_json, plain, show

#: How endpoints look, by their state: for a terminal, and in a picture. The state is written beside them as well.
_STYLES = {"resolved": "green", "waiting": "yellow", "refused": "red", "suspect": "magenta", "unattached": "dim"}
_FILLS = {
    "resolved": "#c8e6c9",
    "waiting": "#fff3c4",
    "refused": "#ffcdd2",
    "suspect": "#e1bee7",
    "unattached": "#eeeeee",
}
#: Seconds that Graphviz may take.
_PATIENCE = 60


@attrs.define
class Node:
    """A place, a network or an endpoint.

    ``kind`` is what it is, ``detail`` what else there is to say, ``state`` an endpoint's state.
    """

    kind: str
    name: str
    detail: str = ""
    state: str = ""
    children: list[Node] = attrs.field(factory=list)

    def child(self, kind: str, name: str) -> Node:
        """Return the place of this kind and name in this one, which is made if need be."""
        for each in self.children:
            if (each.kind, each.name) == (kind, name):
                return each
        self.children.append(Node(kind, name))
        return self.children[-1]


def nodes(report: Mapping[str, Any]) -> list[Node]:
    """Return the organizations of a report, with all that is in them, and last the networks that have no record."""
    root, networks = Node("host", ""), {}
    for network in report["networks"]:
        place = root
        for kind in ("organization", "domain", "zone", "subnet"):
            # An L2 domain has neither zone nor subnet.
            if network[kind] is not None:
                place = place.child(kind, network[kind])
        networks[network["id"]] = Node("network", network["id"][:12], network["pool"])
        place.children.append(networks[network["id"]])
    for endpoint in report["endpoints"]:
        if endpoint["gone"]:
            continue
        network_id = endpoint["network_id"] or ""
        if network_id not in networks:
            networks[network_id] = Node("network", network_id[:12] or "unknown", "without a record in the switch")
            root.children.append(networks[network_id])
        name = endpoint["container"] or endpoint["id"][:12]
        networks[network_id].children.append(
            Node("endpoint", name, endpoint["address"] or "no address", endpoint["state"])
        )
    return root.children


def drawn(found: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Draw trees of nodes, each of which is an object of JSON by now."""
    if not found:
        return "there are no networks yet: docker network create --driver=nuage"
    return Group(*(_branch(node, Tree(_line(node), guide_style="dim")) for node in found))


def _branch(node: Mapping[str, Any], tree: Tree) -> Tree:
    for child in node["children"]:
        _branch(child, tree.add(_line(child)))
    return tree


def _line(node: Mapping[str, Any]) -> Text:
    is_endpoint = node["kind"] == "endpoint"
    line = Text("" if is_endpoint else f"{node['kind']} ", style="dim")
    line.append(plain(node["name"]), style="bold" if is_endpoint else "default")
    if node["detail"]:
        line.append(f"  {plain(node['detail'])}", style="default")
    if node["state"]:
        line.append(f"  {node['state']}", style=_STYLES.get(node["state"], "default"))
    return line


def dot(found: Iterable[Node]) -> str:
    """Return a graph in Graphviz's language."""
    lines = [
        "digraph nuage {",
        '  graph [rankdir=LR, ranksep=0.4, fontname="sans-serif"]',
        '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif", fontsize=11]',
        "  edge [arrowhead=none, color=gray50]",
        *_vertices(found, "", count()),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _vertices(found: Iterable[Node], parent: str, numbers: Iterator[int]) -> Iterator[str]:
    for node in found:
        name = f"n{next(numbers)}"
        label = r"\n".join(map(_escaped, filter(None, (node.kind, node.name, node.detail, node.state))))
        fill = f', fillcolor="{_FILLS[node.state]}"' if node.state in _FILLS else ""
        yield f'  {name} [label="{label}"{fill}]'
        if parent:
            yield f"  {parent} -> {name}"
        yield from _vertices(node.children, name, numbers)


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", " ")


def svg(graph: str) -> str:
    """Have Graphviz draw a graph.

    Raises:
        click.ClickException: Graphviz is not there, or fails.
    """
    program = shutil.which("dot")
    if program is None:
        raise click.ClickException("--svg needs Graphviz: apt-get install graphviz; --dot does without it")
    try:
        done = subprocess.run(  # noqa: S603
            [program, "-Tsvg"], input=graph, capture_output=True, text=True, timeout=_PATIENCE, check=True
        )
    except subprocess.TimeoutExpired:
        raise click.ClickException(f"Graphviz ({program}) did not end within {_PATIENCE} s; --dot is quick") from None
    except subprocess.CalledProcessError as problem:
        raise click.ClickException(f"Graphviz ({program}) failed: {problem.stderr.strip()}") from None
    return done.stdout


@click.command()
@click.option("--dot", "form", flag_value="dot", help="Print a graph in Graphviz's language.")
@click.option("--svg", "form", flag_value="svg", help="Print a picture. It needs Graphviz.")
@as_json
@again
@click.pass_obj
def topology(control: Control, form: str | None, json_wanted: bool, watch: bool) -> int:
    """Show the places of Nuage and what is in them.

    These are organizations, domains, zones and subnets, and in them the networks and endpoints of this host.

    --dot and --svg go without --json and --watch.
    """
    if form is not None and (json_wanted or watch):
        raise click.UsageError(f"--{form} goes without --json and --watch; leave them out")
    if form is not None:
        graph = dot(nodes(control.get("/status")))
        click.echo(svg(graph) if form == "svg" else graph, nl=False)
        return 0
    show(
        lambda: [attrs.asdict(node) for node in nodes(control.get("/status"))],
        drawn,
        json_wanted=json_wanted,
        watch=watch,
    )
    return 0
