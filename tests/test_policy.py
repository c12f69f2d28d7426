"""Where policy groups, redirection targets and ids come from."""

from __future__ import annotations

import re
from ipaddress import IPv4Network

from twisted.trial.unittest import SynchronousTestCase

from nuage.errors import Refused
from nuage.model import Container, Endpoint, Network
from nuage.vrs.policy import check_labels, entity_metadata, port_metadata


def _network(policy_group: str | None = None) -> Network:
    pool = IPv4Network("10.0.0.0/24")
    return Network(id="n", organization="E", user="u", domain="d", pool=pool, policy_group=policy_group)


def _endpoint(**options: str) -> Endpoint:
    return Endpoint(
        id="e", network_id="n", mac="7a:42:00:00:00:01", options={f"nuage.{k}": v for k, v in options.items()}
    )


class Precedence(SynchronousTestCase):
    """The endpoint's option, the container's label, the network's option."""

    def test_each_comes_before_the_next(self) -> None:
        """What is named nearer to the endpoint wins."""
        option, label = (
            _endpoint(**{"policy-group": "a"}),
            Container(id="c", name="w", labels={"nuage.policy-group": "b"}),
        )
        cases = (
            (_network("c"), option, label, "a"),
            (_network("c"), _endpoint(), label, "b"),
            (_network("c"), _endpoint(), Container(id="c", name="w"), "c"),
            (_network("c"), _endpoint(), None, "c"),
        )
        for network, endpoint, container, expected in cases:
            assert port_metadata(network, endpoint, container) == {"nuage-policy-group": expected}

    def test_none(self) -> None:
        """What nobody names is not in the metadata."""
        assert port_metadata(_network(), _endpoint(), None) == {}

    def test_redirection_target(self) -> None:
        """It is found in the same places."""
        endpoint = _endpoint(**{"redirection-target": "fw"})
        assert port_metadata(_network(), endpoint, None) == {"nuage-redirection-target": "fw"}

    def test_entity(self) -> None:
        """The organization always, the others where they are known."""
        container = Container(id="c", name="w", labels={"nuage.orchestration-id": "o-1"})
        assert entity_metadata(_network(), _endpoint(), None, None) == {"enterprise": "E"}
        assert entity_metadata(_network(), _endpoint(), container, "s-1") == {
            "enterprise": "E",
            "nuage-orchestrationID": "o-1",
            "nuage-siteID": "s-1",
        }


class Labels(SynchronousTestCase):
    """Labels of a container."""

    def test_others_are_passed_over(self) -> None:
        """Whatever they hold; ours are any names."""
        ours = {"nuage.policy-group": "Wüb 2", "nuage.redirection-target": "x" * 255, "nuage.orchestration-id": "job-7"}
        check_labels(Container(id="c", name="w", labels={**ours, "com.docker.compose": "", "maintainer": "a\nb"}))

    def test_refused(self) -> None:
        """The message names the container, the label, its value and the remedy."""
        for label, value, message in (
            ("nuage.policy-group", "a\nb", r'a character that cannot be printed in "a\\nb"; leave it out'),
            ("nuage.policy-group", " ", "is empty; give a name"),
            ("nuage.policy-group", "", "is empty; give a name"),
            ("nuage.redirection-target", "x" * 300, "has 300 characters; 255 are allowed"),
            ("nuage.orchestration-id", "x" * 65536, "has 65536 characters; 255 are allowed"),
        ):
            with self.assertRaisesRegex(Refused, f'^container "web": label "{label}" .*{message}$'):
                check_labels(Container(id="c", name="web", labels={label: value}))

    def test_unknown(self) -> None:
        """A misspelt label would leave the container in no group; it is told with the nearest known one."""
        for label, message in (
            ("nuage.policygroup", 'unknown label "nuage.policygroup"; did you mean "nuage.policy-group"?'),
            ("NUAGE.policy-group", 'unknown label "NUAGE.policy-group"; did you mean "nuage.policy-group"?'),
            ("nuage." + "z" * 70000, "known are nuage.policy-group, nuage.redirection-target, nuage.orchestration-id"),
        ):
            with self.assertRaisesRegex(Refused, re.escape(message)) as caught:
                check_labels(Container(id="c", name="web", labels={label: "web"}))
            assert len(str(caught.exception)) < 300
