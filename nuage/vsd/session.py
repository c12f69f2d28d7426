"""One session with the VSD: what is asked of it, by everybody who asks.

The VSD's objects have paths such as ``/enterprises``, ``/enterprises/ID`` and ``/enterprises/ID/domains``; each of them
answers a list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred

from nuage.errors import VsdRefused, VsdUnavailable
from nuage.http import Response
from nuage.vsd.answers import Entity, NotUnderstood, entities, refusal, total
from nuage.vsd.cluster import AnswerLost, Asked, Cluster, Request
from nuage.vsd.login import Login
from nuage.vsd.presence import Presence
from nuage.watchers import Watchers

#: Objects that a page has; the VSD sends no more at once.
PAGE = 500
#: Pages that a list may have.
_MOST_PAGES = 200
#: Statuses that say that the key of a login is no longer taken. Which one comes depends on the release.
_EXPIRED = (401, 419)
#: The VSD's own error where an object has all the values already that a PUT gives it (NEUTRON's client names it).
_NO_CHANGE = 2039
#: How often a POST is sent whose answer is lost and which has not arrived.
_ATTEMPTS = 3


class Session:
    """Asks one VSD.

    Args:
        cluster: Carries the requests.
        login: Gives them their key.
        presence: Is told how the VSD does.
        close: Closes the connections that are kept.

    Its methods raise :class:`nuage.errors.VsdUnavailable` if the VSD does not answer in time or is not understood, and
    :class:`nuage.errors.VsdRefused` if it does not do what is asked.
    """

    def __init__(self, cluster: Cluster, login: Login, presence: Presence, close: Callable[[], Deferred[None]]) -> None:
        self._cluster = cluster
        self._login = login
        self.presence = presence
        self._close = close

    @property
    def asked(self) -> Watchers[Asked]:
        """Tells of each request to one of the VSD's servers, those of the login too."""
        return self._cluster.asked

    async def get(self, path: str, *, filter: str | None = None) -> list[Entity]:  # noqa: A002
        """Return the objects of a path, from all of its pages.

        Args:
            path: Such as "/enterprises".
            filter: A predicate in the VSD's form, such as ``name == "web"``; see
                :func:`nuage.vsd.predicates.equals`. The VSD does not filter by every attribute, so compare again what
                matters.
        """
        found: dict[str, Entity] = {}
        for page in range(_MOST_PAGES):
            part, count = await self._page(path, page, filter)
            known = len(found)
            found |= {each["ID"]: each for each in part}
            if len(found) == known or (len(part) < PAGE if count is None else len(found) >= count):
                return list(found.values())
        reason = f"not understood: it has more than {_MOST_PAGES * PAGE} of them"
        raise self._cluster.unavailable(_page_of(path, page, filter), reason)

    async def some(self, path: str) -> list[Entity]:
        """Return the objects of a path that are on its first page: of a long list, all would take too long."""
        found, _count = await self._page(path, 0, None)
        return found

    async def first(self, path: str, filter: str | None = None) -> Entity | None:  # noqa: A002
        """Return one object of a path, None if there is none."""
        found = await self.get(path, filter=filter)
        return found[0] if found else None

    async def post(
        self, path: str, body: Mapping[str, Any], *, as_user: str | None = None, unless: str | None = None
    ) -> Entity:
        """Make an object, and return it as the VSD made it.

        Args:
            path: Where it belongs.
            body: Its attributes.
            as_user: Who it is made for, "user@organization". The session's own user needs the right to do that.
            unless: A predicate that finds it. If the VSD's answer is lost, the object is looked for, and made again
                only if it is not there. Without a predicate nothing is repeated that may have been done.
        """
        request = Request(
            method="POST",
            path=path,
            headers={} if as_user is None else {"X-Nuage-ProxyUser": as_user},
            body=json.dumps(body).encode(),
        )
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                made = self._entities(request, await self._ask(request))
            except AnswerLost:
                if unless is None or attempt == _ATTEMPTS:
                    raise
                made = await self.get(path, filter=unless)
                if not made:
                    continue
            if len(made) == 1:
                return made[0]
            raise self._cluster.unavailable(request, f"not understood: it answered with {len(made)} objects")
        raise AssertionError("the last attempt returns or raises")

    async def put(self, path: str, body: Mapping[str, Any] | list[str]) -> None:
        """Change an object, or replace a set of members, of which the body is the IDs. It may be so already."""
        try:
            await self._ask(Request(method="PUT", path=path, body=json.dumps(body).encode()))
        except VsdRefused as problem:
            if problem.code != _NO_CHANGE:
                raise

    async def delete(self, path: str) -> None:
        """Remove what a path names, and say yes to whatever the VSD asks back. What is not there is removed."""
        query = "&" if "?" in path else "?"
        try:
            await self._ask(Request(method="DELETE", path=f"{path}{query}responseChoice=1", repeatable=True))
        except VsdRefused as problem:
            if problem.status != 404:
                raise

    def start(self) -> None:
        """Find out whether the VSD is there and accepts the account."""
        self.presence.start(lambda: self.get("/me"))

    async def stop(self) -> None:
        """Ask no more; return when no connection is left."""
        self.presence.stop()
        self._login.stop()
        await self._close()

    async def _ask(self, request: Request) -> Response:
        try:
            response = await self._logged_in(request)
        except (VsdUnavailable, VsdRefused) as problem:
            self.presence.failed(problem)
            raise
        self.presence.answered()
        if 200 <= response.status < 300:
            return response
        why = refusal(response)
        raise VsdRefused(
            self._cluster.told(request, str(why)),
            status=why.status,
            code=why.code,
            title=why.title,
            description=why.description,
        )

    async def _logged_in(self, request: Request) -> Response:
        """Ask with the login's key, and once more with another key if it is no longer accepted."""
        headers = await self._login.headers()
        response = await self._cluster.ask(request, headers)
        if response.status in _EXPIRED:
            self._login.reject(headers)
            response = await self._cluster.ask(request, await self._login.headers())
        return response

    async def _page(self, path: str, page: int, filter: str | None) -> tuple[list[Entity], int | None]:  # noqa: A002
        """Return the objects of one page, and how many there are on all of them, None if the VSD does not tell."""
        request = _page_of(path, page, filter)
        response = await self._ask(request)
        return self._entities(request, response), total(response)

    def _entities(self, request: Request, response: Response) -> list[Entity]:
        try:
            return entities(response)
        except NotUnderstood as problem:
            raise self._cluster.unavailable(request, str(problem)) from problem


def _page_of(path: str, page: int, predicate: str | None) -> Request:
    filtered = {} if predicate is None else {"X-Nuage-Filter": predicate, "X-Nuage-FilterType": "predicate"}
    headers = {**filtered, "X-Nuage-Page": str(page), "X-Nuage-PageSize": str(PAGE)}
    return Request(method="GET", path=path, headers=headers, repeatable=True)
