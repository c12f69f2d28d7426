"""How a VSD is reached, and the session with it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.web.client import URI, Agent, HTTPConnectionPool

from nuage.errors import ConfigurationError, VsdUnavailable
from nuage.http import Requests
from nuage.vsd.cluster import Cluster
from nuage.vsd.login import Account, Login
from nuage.vsd.presence import Presence
from nuage.vsd.session import Session
from nuage.vsd.tls import Trust, Unusable

#: Bytes that an answer may have. A page of 500 containers has some 2 MB.
LARGEST_ANSWER = 16 << 20
#: Connections to a server that are kept, and seconds for which they are: making one costs two round trips and more.
_KEPT, _KEPT_FOR = 8, 60


@attrs.frozen(kw_only=True)
class Settings:
    """What a session needs to know.

    Attributes:
        urls: The VSD's servers, ``https://host:port`` each.
        version: Of its interface, such as "v6".
        organization, user: Who asks.
        password: The password, None if a file has it or none is needed.
        password_file: The file that has it.
        trust: Who the VSD has to be.
        timeout: Seconds that one request may take, its repetitions included.
    """

    urls: tuple[str, ...]
    version: str
    organization: str
    user: str
    password: str | None = attrs.field(default=None, repr=False)
    password_file: Path | None = None
    trust: Trust = attrs.field(factory=Trust)
    timeout: float

    def read_password(self) -> str:
        """Return the password, as it is now.

        Raises:
            VsdUnavailable: Its file cannot be read.
        """
        if self.password_file is None:
            return self.password or ""
        try:
            return self.password_file.read_text().partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else "it is not in UTF-8"
            raise VsdUnavailable(f"{self.password_file} (vsd_password_file) cannot be read: {reason}") from None


def connect(
    reactor: Any,
    settings: Settings,
    *,
    clock: IReactorTime | None = None,
    largest: int = LARGEST_ANSWER,
    chance: Callable[[], float] = random.random,
) -> Session:
    """Return a session with a VSD, not yet started.

    Args:
        reactor: Makes the connections.
        settings: Where the VSD is, and who asks.
        clock: Measures the time-outs, the reactor by default.
        largest: Bytes that an answer may have.
        chance: Returns a number from 0 to 1.

    Raises:
        ConfigurationError: A file or a name cannot be used for TLS.
    """
    try:
        for url in settings.urls:
            settings.trust.creatorForNetloc(URI.fromBytes(url.encode()).host, 0)
    except Unusable as problem:
        raise ConfigurationError(str(problem)) from problem
    clock = clock or reactor
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = _KEPT
    pool.cachedConnectionTimeout = _KEPT_FOR
    agent = Agent(reactor, contextFactory=settings.trust, connectTimeout=settings.timeout, pool=pool)
    requests = Requests(agent, clock, largest, settings.trust.explain)
    urls = [f"{url}/nuage/api/{settings.version}" for url in settings.urls]
    cluster = Cluster(requests, clock, urls, settings.timeout, chance)
    account = Account(organization=settings.organization, user=settings.user, password=settings.read_password)
    return Session(cluster, Login(cluster, clock, account), Presence(clock, chance), pool.closeCachedConnections)
