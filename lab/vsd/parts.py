"""A stand-in for a VSD in memory: what exists, the rules for it, and the API."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import attrs
from twisted.web.http import datetimeToString
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from lab.vsd.activation import Activation
from lab.vsd.addresses import Addresses
from lab.vsd.api import Api
from lab.vsd.attachments import Attachments
from lab.vsd.directory import Change, Directory
from lab.vsd.events import Events
from lab.vsd.hosts import Hosts
from lab.vsd.keys import Keys
from lab.vsd.kinds import BY_ENTITY
from lab.vsd.permissions import Permissions
from lab.vsd.rules import Rules
from lab.vsd.seed import Seed
from lab.vsd.showing import Showing
from lab.vsd.view import View


def _new_id() -> str:
    return str(uuid4())


def _new_key() -> str:
    return secrets.token_hex(16)


@attrs.frozen(kw_only=True)
class Character:
    """What the stand-in is to be like.

    ``topology`` is the file; ``delay`` (seconds) is that of each answer.
    ``key_validity`` is how many seconds a key is good for, None meaning a day, and ``expired_status`` what an ended one
    is answered with, 401 or 419. Without ``reservations`` it is as a release before vmipreservations. ``hosts`` are
    the addresses of those that have a VRS, by their names.
    """

    topology: Path
    delay: float = 0.0
    key_validity: int | None = None
    expired_status: int = 401
    reservations: bool = True
    hosts: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Source:
    """Where the stand-in has the time and what nobody can guess from.

    ``now`` tells the seconds since the epoch; ``new_id`` and ``new_key`` return IDs of objects, and keys of users.
    """

    now: Callable[[], float] = time.time
    new_id: Callable[[], str] = _new_id
    new_key: Callable[[], str] = _new_key


class Parts:
    """All of it, put together.

    Args:
        clock: Keeps the time.
        character: What it is to be like.
        source: Where it has the time of day and its IDs.

    Raises:
        TopologyError: The topology file cannot be used.
    """

    def __init__(self, clock: Any, character: Character, source: Source) -> None:
        self._source = source
        self.directory = directory = Directory(source.now, source.new_id)
        validity = {} if character.key_validity is None else {"APIKeyValidity": character.key_validity}
        config = directory.add(BY_ENTITY["systemconfig"], directory.root, validity, permanent=True)
        showing = Showing(directory)
        # They hear of each change in this order: an object that goes is told of before what goes with it.
        self._events = Events(clock, source.now, config, showing.show, source.new_id)
        directory.watch(self._record)
        self.addresses = Addresses(directory)
        permissions = Permissions(directory)
        self.attachments = attachments = Attachments(directory, self.addresses, permissions)
        rules = Rules(directory, self.addresses, permissions, attachments)
        self.view = View(directory)
        hosts = Hosts(directory, source.now, config, character.hosts)
        self.activation = Activation(directory, self.view, attachments, self.addresses, hosts)
        self._seed = Seed(directory, character.topology)
        self.keys = Keys(directory, source.now, config, character.expired_status, source.new_key)
        missing = frozenset() if character.reservations else frozenset({"vmipreservations"})
        self.api = Api(clock, directory, rules, permissions, self.keys, self._events, showing, missing)
        self.api.delay = character.delay

    def make_site(self, reactor: Any, resource: IResource | None = None) -> Site:
        """Return what serves the API over HTTP.

        Args:
            reactor: Keeps the time of connections.
            resource: The API, or what stands before it.
        """
        return _Site(resource or self.api.resource(), reactor, self._source.now)

    def _record(self, change: Change) -> None:
        by = self.directory.of("user", change.by)
        self._events.record(change, "" if by is None else by.name)


class _Request(Request):
    """A request whose Host header plays no part in routing, answered with the date of the VSD's clock."""

    site: _Site

    def getRequestHostname(self) -> bytes:
        return b"localhost"

    def render(self, resrc: Any) -> None:
        self.setHeader(b"Date", datetimeToString(self.site.now()))
        super().render(resrc)


class _Site(Site):
    """HTTP that shows no traceback to a client and writes no access log: the API logs itself."""

    noisy = False
    displayTracebacks = False  # noqa: N815
    requestFactory = _Request  # noqa: N815

    def __init__(self, resource: IResource, reactor: Any, now: Callable[[], float]) -> None:
        super().__init__(resource, reactor=reactor)
        self.now = now

    def log(self, request: Any) -> None:
        """Write nothing."""
