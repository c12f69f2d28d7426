"""Rules between policy groups that clients make: entries of a domain's ingress ACLs.

In the lab a rule lets packets between two policy groups pass, in both directions. Other packets of a port in a policy
group are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lab.vrs.topology import UNGROUPED, Rule
from lab.vsd.directory import Directory, Thing
from lab.vsd.refusals import invalid

#: The versions of IP by their numbers in the Ethernet header.
_VERSIONS = {"0x0800": 4, "0x86DD": 6}
#: The protocols that rules tell apart, by their numbers (IANA, "Assigned Internet Protocol Numbers").
_PROTOCOLS = {4: {"1": "icmp", "6": "tcp", "17": "udp"}, 6: {"58": "icmp", "6": "tcp", "17": "udp"}}
_SIDES = ("location", "network")


def check_entry(directory: Directory, acl: Thing, wanted: Mapping[str, Any]) -> None:
    """Make sure that the lab can apply an entry.

    Raises:
        Refusal: It cannot.
    """
    if wanted["etherType"] not in _VERSIONS:
        raise invalid("etherType", f"This stand-in takes {' and '.join(_VERSIONS)} only")
    protocols = _PROTOCOLS[_VERSIONS[wanted["etherType"]]]
    if wanted.get("protocol") not in (None, "ANY", *protocols):
        raise invalid("protocol", f"This stand-in takes ANY and {', '.join(protocols)} only")
    for side in _SIDES:
        group = directory.of("policygroup", wanted.get(f"{side}ID"))
        if wanted[f"{side}Type"] == "POLICYGROUP" and (group is None or group.parent is not acl.parent):
            raise invalid(f"{side}ID", f"The domain has no policy group with ID {wanted.get(f'{side}ID')}")


def rules_of(directory: Directory, domain: Thing) -> Iterator[Rule]:
    """Yield the rules that clients have made for a domain."""
    for acl in directory.below(domain, "ingressacltemplates").values():
        if acl["active"]:
            for entry in directory.below(acl, "ingressaclentrytemplates").values():
                version = _VERSIONS[entry["etherType"]]
                protocol = _PROTOCOLS[version].get(entry["protocol"])
                protocols = None if protocol is None else frozenset({protocol})
                for one in _names(directory, domain, entry, "location"):
                    for other in _names(directory, domain, entry, "network"):
                        yield Rule(frozenset({one, other}), protocols, frozenset({version}))


def _names(directory: Directory, domain: Thing, entry: Thing, side: str) -> list[str]:
    groups = directory.below(domain, "policygroups")
    if entry[f"{side}Type"] == "ANY":
        return [UNGROUPED, *(group.name for group in groups.values())]
    # The group may be gone.
    return [groups[entry[f"{side}ID"]].name] if entry[f"{side}ID"] in groups else []
