"""Whatever a VSD answers: it is understood, or refused in words, and nothing of it gets into a path or a log."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nuage.errors import NotInDirectory, NuageError, Refused, VsdRefused, VsdUnavailable
from nuage.http import Response
from nuage.vsd.directory import Directory, Place
from tests.played_vsd import PASSWORD, Asked, PlayedVsd, answer
from tests.test_hostile_http import hostile_texts, hostile_values
from tests.test_vsd_directory import topology

PATH = re.compile(r"/[a-z0-9]+(/[0-9A-Za-z_%.~-]+(/[a-z0-9]+)?)?")

NAMES = [
    *("ID", "name", "userName", "address", "netmask", "gateway", "IPv6Address", "IPv6Gateway", "entityState"),
    *("associatedSharedNetworkResourceID", "parentID", "permittedAction", "permittedEntityName", "APIKey"),
]

bodies = st.one_of(
    hostile_values.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
    st.builds(
        lambda opening, depth: opening * depth,
        st.sampled_from([b"[", b'{"errors":[', b'[{"ID":']),
        st.integers(1, 9000),
    ),
    st.just(b'[{"ID":"x","name":"\\ud800"}]'),
)
objects = st.dictionaries(
    st.sampled_from(NAMES) | hostile_texts,
    hostile_values | st.sampled_from(["Zone", "Domain", "../me", "e1?x=1", "MARKED_FOR_DELETION", "READ", "admin"]),
    max_size=6,
)
counts = st.sampled_from(["0", "1", "600", "-1", "x", "", "9" * 30, "\u0661"])
answers = st.builds(
    lambda status, body, count, date: answer(status, body, Count=count, Date=date),
    st.sampled_from([200, 200, 200, 201, 204, 300, 302, 400, 401, 403, 404, 409, 412, 419, 500, 503]),
    bodies | st.lists(objects, max_size=3).map(lambda value: json.dumps(value).encode()),
    counts,
    st.sampled_from(["", "x", "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 99 Jan 9999999 00:00:00 GMT"]),
)


@st.composite
def spoiled(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """Return what a good VSD has, but for some attributes of some objects."""
    found = topology()
    for path in draw(st.lists(st.sampled_from(sorted(found)), max_size=4)):
        if found[path]:
            number = draw(st.integers(0, len(found[path]) - 1))
            found[path][number] = {**found[path][number], **draw(objects)}
    return found


class Answers(SynchronousTestCase):
    """A session and a directory, and a VSD that answers anything."""

    def attempt(self, vsd: PlayedVsd) -> None:
        """Do all that the directory does; it succeeds, or fails in words."""
        clock = Clock()
        directory = Directory(vsd.session(clock), clock)
        outcome = Deferred.fromCoroutine(self.work(directory))
        for _ in range(40):
            if outcome.called:
                break
            clock.advance(0.5)
        self.successResultOf(outcome)
        for asked in vsd.asked:
            assert PATH.fullmatch(asked.path), asked.path
            assert all(text.isprintable() for text in asked.headers.values()), asked.headers

    async def work(self, directory: Directory) -> None:
        try:
            place = await directory.find("Enterprise", "Domain", "Zone", "Subnet 2", "admin")
            assert isinstance(place, Place)
            await directory.demand_permission(place, "admin")
            await directory.policy(place, "web", "firewall")
        except (NotInDirectory, Refused, VsdRefused, VsdUnavailable) as problem:
            self.check(problem)

    def check(self, problem: NuageError) -> None:
        text = str(problem)
        assert len(text) < 3000, text
        assert text.isprintable(), text
        text.encode()
        for raw in ("Traceback", "<class", ".py", PASSWORD):
            assert raw not in text, text

    @settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(answers, min_size=1, max_size=4), st.integers(0, 6), st.booleans())
    def test_answers(self, outcomes: list[Response], after: int, login: bool) -> None:
        """In place of good ones, from a certain question on."""
        vsd = PlayedVsd(topology())
        vsd.play(*[None] * after, *outcomes, login=login)
        self.attempt(vsd)

    @settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
    @given(spoiled())
    def test_objects(self, found: dict[str, list[dict[str, Any]]]) -> None:
        """Attributes of any kind."""
        self.attempt(PlayedVsd(found))

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(hostile_texts, hostile_values)
    def test_keys(self, key: str, expiry: object) -> None:
        """What a login answers becomes a header."""
        vsd = PlayedVsd(topology())

        def script(asked: Asked) -> Response | None:
            return answer(200, [{"ID": "me", "APIKey": key, "APIKeyExpiry": expiry}]) if asked.path == "/me" else None

        vsd.script = script
        vsd.key = key or "none"
        self.attempt(vsd)
