"""The login at the VSD. Everybody who asks shares it.

It gives a key for a day or less. A key is renewed before it expires, and when the VSD no longer takes it. The
VSD gives another key only in the last minutes of the former one (one to five, by its configuration); before that it
gives the same one again.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from nuage.errors import VsdRefused
from nuage.http import Response
from nuage.text import joined
from nuage.vsd.answers import NotUnderstood, entities, refusal
from nuage.vsd.cluster import Cluster, Request

#: Seconds before its end at which a key is renewed, and the same as a part of the time that it has.
_MARGIN, _PART = 60.0, 0.1
#: What a key is made of. It is a UUID as a rule.
_SECRET = re.compile(r"[!-~]{1,1000}")
#: Statuses that say that it is the account which is wrong.
_NOT_ACCEPTED = (401, 403, 419)
#: Seconds for which an account that was refused is not tried again: some servers lock one that fails too often.
_LOCKOUT = 30.0


@attrs.frozen(kw_only=True)
class Account:
    """Who asks the VSD.

    Attributes:
        organization: The user's organization, "csp" for the provider's own users.
        user: The user.
        password: Reads the password, which a file may have changed meanwhile. Empty with a client's certificate.
    """

    organization: str
    user: str
    password: Callable[[], str] = attrs.field(repr=False)


@attrs.frozen
class _Key:
    """What a login gave, and until when it is used, by our own clock."""

    secret: str = attrs.field(repr=False)
    until: float


class Login:
    """Logs in, once for all who wait for it.

    Args:
        cluster: Carries the requests.
        clock: Measures how long a key lasts.
        account: Who logs in.
    """

    def __init__(self, cluster: Cluster, clock: IReactorTime, account: Account) -> None:
        self._cluster = cluster
        self._clock = clock
        self._account = account
        self._key: _Key | None = None
        self._refused: tuple[Response, float] | None = None
        self._waiting: list[Deferred[None]] = []
        self._going_on: Deferred[None] | None = None

    async def headers(self) -> Mapping[str, str]:
        """Return what a request bears that is logged in.

        Raises:
            VsdUnavailable: The VSD does not answer.
            VsdRefused: It does not accept the account.
        """
        while self._key is None or self._clock.seconds() >= self._key.until:
            await self._renewed()
        return self._headers(self._key.secret)

    def reject(self, headers: Mapping[str, str]) -> None:
        """Drop the key that these headers bear: the VSD did not take it. Another one may be there by now."""
        if self._key is not None and self._headers(self._key.secret) == headers:
            self._key = None

    def stop(self) -> None:
        """Log in no more."""
        if self._going_on is not None:
            self._going_on.cancel()

    def _renewed(self) -> Deferred[None]:
        """Return what fires when a login has ended."""
        waiter: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        if self._going_on is None:
            self._going_on = Deferred.fromCoroutine(self._log_in())
            self._going_on.addBoth(self._ended)
        return waiter

    def _ended(self, outcome: Failure | None) -> None:
        self._going_on = None
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(outcome)

    async def _log_in(self) -> None:
        request = Request(method="GET", path="/me", repeatable=True)
        if self._refused is not None and self._clock.seconds() < self._refused[1]:
            raise self._refusal(request, self._refused[0])
        response = await self._cluster.ask(request, self._headers(self._account.password()))
        if response.status >= 300:
            self._refused = response, self._clock.seconds() + _LOCKOUT
            raise self._refusal(request, response)
        self._refused = None
        try:
            self._key = self._key_of(response)
        except NotUnderstood as problem:
            raise self._cluster.unavailable(request, str(problem)) from problem

    def _refusal(self, request: Request, response: Response) -> VsdRefused:
        why = refusal(response)
        return VsdRefused(
            self._cluster.told(request, joined(str(why), self._remedy(why.status))),
            status=why.status,
            code=why.code,
            title=why.title,
            description=why.description,
        )

    def _remedy(self, status: int) -> str:
        if status == 404:
            return "vsd_url and vsd_version have to name the VSD's interface"
        if status not in _NOT_ACCEPTED:
            return ""
        return (
            f'it does not accept "{self._account.user}" of organization "{self._account.organization}"; '
            "vsd_user, vsd_organization and the password or the certificate have to be those of an account of the VSD"
        )

    def _key_of(self, response: Response) -> _Key:
        """Read a key.

        When it expires is told by the VSD's clock, which the date of its answer tells: the two hosts' clocks may
        differ. Without a date it is used until the VSD refuses it.
        """
        user = entities(response)
        secret = user[0].get("APIKey") if len(user) == 1 else None
        if not isinstance(secret, str) or not _SECRET.fullmatch(secret):
            raise NotUnderstood(f"not understood: it answered {response.status} without an APIKey")
        now = self._clock.seconds()
        expiry = user[0].get("APIKeyExpiry")
        if not isinstance(expiry, int) or isinstance(expiry, bool) or not 0 < expiry < 1 << 53:
            return _Key(secret, float("inf"))
        left = expiry / 1000 - _server_time(response)
        # One that is over already, by a clock that is wrong, is used until the VSD refuses it.
        return _Key(secret, now + left - min(_MARGIN, left * _PART) if left > 0 else float("inf"))

    def _headers(self, secret: str) -> dict[str, str]:
        return {
            "Authorization": f"XREST {b64encode(f'{self._account.user}:{secret}'.encode()).decode()}",
            "X-Nuage-Organization": self._account.organization,
            "Content-Type": "application/json",
        }


def _server_time(response: Response) -> float:
    """Return the seconds since the epoch by the VSD's clock, infinity if its answer has no date."""
    with suppress(ValueError, TypeError, OverflowError):
        return parsedate_to_datetime(response.header("Date")).timestamp()
    return float("inf")
