"""The REST API: paths, methods and headers, and the form of answers and errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from klein import Klein
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource
from werkzeug.exceptions import HTTPException

from lab.vsd import values
from lab.vsd.directory import Directory, Thing
from lab.vsd.events import Events
from lab.vsd.keys import Credentials, Keys, find_user
from lab.vsd.kinds import BY_RESOURCE, MEMBERS, MISSING, OF_VPORT, ROOT, Kind
from lab.vsd.listing import page_of, predicate
from lab.vsd.permissions import Permissions
from lab.vsd.refusals import Question, Refusal, malformed, not_found
from lab.vsd.rules import Rules
from lab.vsd.showing import Showing

VERSIONS = ("v5_0", "v6")


@attrs.frozen(kw_only=True)
class Answer:
    """Status, body (None: none) and headers."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class _Asked:
    """A request that was read: who asks for what.

    ``upper`` is the object whose children are meant, the root where the path has no other; ``identity`` is that of the
    object meant, empty if all of ``kind`` are.
    """

    request: IRequest
    user: Thing
    kind: Kind
    upper: Thing
    identity: str = ""

    def header(self, name: str) -> str:
        return header(self.request, name)

    def argument(self, name: str) -> str:
        return next(iter(self.arguments(name)), "")

    def arguments(self, name: str) -> list[str]:
        return [each.decode("utf-8", "replace") for each in self.request.args.get(name.encode(), ())]

    @property
    def sure(self) -> bool:
        return self.argument("responseChoice") == "1"

    def body(self) -> Any:
        """Return what was sent.

        Raises:
            Refusal: It is not JSON.
        """
        try:
            return json.loads(self.request.content.read())
        except (ValueError, RecursionError):
            raise malformed("The body is not JSON") from None


class Api:
    """The resource that clients ask.

    Args:
        clock: Keeps the time.
        directory: What exists.
        rules: Change it.
        permissions: Who may do what.
        keys: Who asks.
        events: The push channel.
        showing: Makes the JSON of objects.
        missing: Resources that it does not have, as a release before they were invented.
    """

    app = Klein()
    _log = Logger(namespace="vsd")

    def __init__(
        self,
        clock: IReactorTime,
        directory: Directory,
        rules: Rules,
        permissions: Permissions,
        keys: Keys,
        events: Events,
        showing: Showing,
        missing: frozenset[str] = frozenset(),
    ) -> None:
        self._clock = clock
        self._directory = directory
        self._rules = rules
        self._permissions = permissions
        self._keys = keys
        self._events = events
        self._showing = showing
        self._missing = missing
        #: Seconds by which each answer is late.
        self.delay = 0.0

    def resource(self) -> IResource:
        """Return the resource for a site."""
        return self.app.resource()

    @app.route("/nuage/api/<version>/<path:path>", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    async def ask(self, request: IRequest, version: str, path: str) -> bytes:
        """Answer a request."""
        if self.delay:
            await deferLater(self._clock, self.delay)
        return self._told(request, await self._answer(request, version, path.strip("/").split("/")))

    @app.handle_errors(Refusal)
    def refuse(self, request: IRequest, failure: Failure) -> bytes:
        """Answer a request that is refused."""
        refusal = failure.value
        assert isinstance(refusal, Refusal)
        return self._told(request, Answer(status=refusal.status, body=refusal.to_json()), str(refusal))

    @app.handle_errors(Question)
    def ask_back(self, request: IRequest, failure: Failure) -> bytes:
        """Answer with a question."""
        question = failure.value
        assert isinstance(question, Question)
        return self._told(request, Answer(status=300, body=question.to_json()), str(question))

    @app.handle_errors(HTTPException)
    def refuse_path(self, request: IRequest, failure: Failure) -> bytes:
        """Answer a path or a method that there is not."""
        status = getattr(failure.value, "code", None) or 404
        refusal = Refusal("Not found", f"There is no {_line(request)}", code=None, status=status)
        return self._told(request, Answer(status=status, body=refusal.to_json()))

    @app.handle_errors(Exception)
    def hide_fault(self, request: IRequest, failure: Failure) -> bytes:
        """Answer a request that hit a fault of the stand-in, whose traceback goes into the log."""
        if not failure.check(CancelledError):
            self._log.failure("{line}", failure, line=_line(request))
        refusal = Refusal("Internal error", "The stand-in has a fault; its log tells more", code=None, status=500)
        return self._told(request, Answer(status=500, body=refusal.to_json()))

    async def _answer(self, request: IRequest, version: str, path: list[str]) -> Answer:
        if version not in VERSIONS:
            raise not_found(f"There is no version {version} of the API, but {', '.join(VERSIONS)}")
        credentials = Credentials.read(header(request, "X-Nuage-Organization"), header(request, "Authorization"))
        if path == [ROOT]:
            return self._me(request, credentials)
        user = self._acting(request, self._keys.authenticate(credentials))
        if path == ["events"]:
            uuid = request.args.get(b"uuid", [b""])[0].decode("utf-8", "replace")
            return Answer(status=200, body=await self._events.wait(uuid or None))
        return self._dispatch(self._read(request, user, version, path))

    def _me(self, request: IRequest, credentials: Credentials) -> Answer:
        if request.method != b"GET":
            raise Refusal("Not allowed", "/me is read only", code=None, status=405)
        user, key = self._keys.log_in(credentials)
        enterprise = user.within("enterprise")
        assert enterprise is not None
        known = self._directory.root.kind.attributes
        me = self._showing.show(self._directory.root)
        me |= {name: value for name, value in self._showing.show(user).items() if name in known}
        me |= {
            "enterpriseID": enterprise.id,
            "enterpriseName": enterprise.name,
            "role": "CSPROOT" if self._permissions.is_provider(user) else "USER",
            "APIKey": key.text,
            "APIKeyExpiry": int(key.ends * 1000),
        }
        return Answer(status=200, body=[me])

    def _acting(self, request: IRequest, user: Thing) -> Thing:
        """Return the user for whom is asked."""
        proxied = header(request, "X-Nuage-ProxyUser")
        if not proxied:
            return user
        name, _, organization = proxied.partition("@")
        found = find_user(self._directory, organization, name) if self._permissions.is_provider(user) else None
        if found is None:
            description = f"{user.name} may not act for {proxied}, or there is no such user@enterprise"
            raise Refusal("Permission denied", description, code=None, status=403)
        return found

    def _read(self, request: IRequest, user: Thing, version: str, path: list[str]) -> _Asked:
        kinds = [self._kind(version, resource) for resource in path[::2]]
        if len(path) == 3:
            upper = self._visible(user, kinds[0], path[1])
            return _Asked(request=request, user=user, kind=kinds[1], upper=upper)
        if len(path) > 3:
            raise not_found("A path has at most three parts: /parents/ID/children")
        identity = path[1] if len(path) == 2 else ""
        return _Asked(request=request, user=user, kind=kinds[0], upper=self._directory.root, identity=identity)

    def _kind(self, version: str, resource: str) -> Kind:
        if resource not in BY_RESOURCE or resource in self._missing | MISSING.get(version, frozenset()):
            raise not_found(f'{version} has no resource "{resource}"')
        return BY_RESOURCE[resource]

    def _visible(self, user: Thing, kind: Kind, identity: str) -> Thing:
        found = self._directory.of(kind.entity, identity)
        if found is None or self._permissions.action(user, found) is None:
            raise not_found(f"There is no {kind.entity} with ID {identity}")
        return found

    def _dispatch(self, asked: _Asked) -> Answer:
        method = asked.request.method.decode("ascii", "replace")
        one: dict[str, Callable[[_Asked], Answer]] = {
            "GET": self._get_one,
            "PUT": self._change_one,
            "PATCH": self._change_one,
            "DELETE": self._remove_one,
        }
        all_: dict[str, Callable[[_Asked], Answer]] = {
            "GET": self._list,
            "HEAD": self._count,
            "POST": self._create,
            "PUT": self._change_all,
            "PATCH": self._change_all,
            "DELETE": self._remove_all,
        }
        carry_out = (one if asked.identity else all_).get(method)
        if carry_out is None:
            raise Refusal("Not allowed", f"{method} is not for this path", code=None, status=405)
        return carry_out(asked)

    def _get_one(self, asked: _Asked) -> Answer:
        return Answer(status=200, body=[self._shown(self._visible(asked.user, asked.kind, asked.identity), asked.user)])

    def _change_one(self, asked: _Asked) -> Answer:
        thing = self._visible(asked.user, asked.kind, asked.identity)
        self._rules.change(thing, values.as_object(asked.body()), asked.user)
        return Answer(status=204)

    def _remove_one(self, asked: _Asked) -> Answer:
        thing = self._visible(asked.user, asked.kind, asked.identity)
        if asked.argument("responseChoice") != "0":
            self._rules.remove(thing, asked.user, sure=asked.sure)
        return Answer(status=204)

    def _list(self, asked: _Asked) -> Answer:
        page = page_of(asked.kind, self._listed(asked), asked.header)
        return Answer(status=200, body=[self._shown(each, asked.user) for each in page.things], headers=page.headers)

    def _count(self, asked: _Asked) -> Answer:
        return Answer(status=200, headers=page_of(asked.kind, self._listed(asked), asked.header).headers)

    def _listed(self, asked: _Asked) -> list[Thing]:
        entity, kind = asked.upper.kind.entity, asked.kind
        if entity not in (*kind.made_under, *kind.listed_under) and (entity, kind.resource) not in MEMBERS | OF_VPORT:
            raise Refusal("Not allowed", f"{kind.resource} are not listed below {entity}", code=None, status=405)
        wanted = predicate(kind, asked.header)
        return [
            thing
            for thing in self._directory.find(asked.upper, kind.resource, wanted.equal)
            if wanted.accepts(thing.values) and self._listable(thing, asked.user)
        ]

    def _listable(self, thing: Thing, user: Thing) -> bool:
        if self._permissions.is_provider(user):
            # The provider's own enterprise is not one of its customers.
            return not (thing.is_a("enterprise") and thing.hidden.get("permanent"))
        return self._permissions.action(user, thing) is not None

    def _create(self, asked: _Asked) -> Answer:
        body = asked.body()
        if isinstance(body, list):
            return _bulk([self._attempt(asked, self._created, each) for each in body])
        return self._created(asked, body)

    def _created(self, asked: _Asked, body: Any) -> Answer:
        made = self._rules.create(asked.kind, asked.upper, values.as_object(body), asked.user)
        return Answer(status=201, body=[self._shown(made, asked.user)])

    def _change_all(self, asked: _Asked) -> Answer:
        body = asked.body()
        if (asked.upper.kind.entity, asked.kind.resource) in MEMBERS:
            how = asked.header("X-Nuage-PatchType").lower() if asked.request.method == b"PATCH" else ""
            self._rules.assign(asked.upper, asked.kind.resource, values.as_ids(body), asked.user, how)
            return Answer(status=204)
        if not isinstance(body, list):
            raise malformed("A list of objects is needed as the body")
        return _bulk([self._attempt(asked, self._changed, each) for each in body])

    def _changed(self, asked: _Asked, body: Any) -> Answer:
        given = values.as_object(body)
        thing = self._visible(asked.user, asked.kind, str(given.get("ID")))
        self._rules.change(thing, given, asked.user)
        return Answer(status=200, body=[self._shown(thing, asked.user)])

    def _remove_all(self, asked: _Asked) -> Answer:
        """Remove those whose IDs are named, or the reservations of an address."""
        named = {field: asked.argument(field) for field in ("IPV4Address", "IPV6Address")}
        if asked.kind.entity == "vmipreservation" and any(named.values()):
            for each in self._listed(asked):
                if any(address and each[field] == address for field, address in named.items()):
                    self._rules.remove(each, asked.user, sure=asked.sure)
            return Answer(status=204)
        identities = asked.arguments("id")
        if not identities:
            raise malformed("Which ones? Name them as ?id=…")
        return _bulk([self._attempt(asked, self._removed, each) for each in identities])

    def _removed(self, asked: _Asked, identity: Any) -> Answer:
        self._rules.remove(self._visible(asked.user, asked.kind, identity), asked.user, sure=asked.sure)
        return Answer(status=204)

    def _attempt(self, asked: _Asked, work: Callable[[_Asked, Any], Answer], part: Any) -> Answer:
        """Carry out one of many."""
        try:
            return work(asked, part)
        except Refusal as refusal:
            return Answer(status=refusal.status, body=refusal.to_json())

    def _shown(self, thing: Thing, user: Thing) -> dict[str, Any]:
        shown = self._showing.show(thing)
        if thing.is_a("domain"):
            shown["permittedAction"] = self._permissions.action(user, thing)
        return shown

    def _told(self, request: IRequest, answer: Answer, why: str = "") -> bytes:
        self._log.info(
            "{user} {line}: {status}{why}",
            user=header(request, "X-Nuage-ProxyUser") or header(request, "X-Nuage-Organization") or "nobody",
            line=_line(request),
            status=answer.status,
            why=f" {_printable(why)}" if why else "",
        )
        request.setResponseCode(answer.status)
        request.setHeader(b"Content-Type", b"application/json")
        for name, value in answer.headers.items():
            request.setHeader(name.encode(), value.encode())
        return b"" if answer.body is None else json.dumps(answer.body).encode("ascii")


def header(request: IRequest, name: str) -> str:
    """Return the value of a header, empty if it is missing."""
    value: bytes = request.getHeader(name.encode()) or b""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _printable(text: str) -> str:
    """Return a text for one line of the log: clients may send any characters."""
    return text.encode("unicode_escape").decode("ascii")


def _bulk(answers: list[Answer]) -> Answer:
    failures = sum(answer.status >= 400 for answer in answers)
    told = {"total": len(answers), "success": len(answers) - failures, "failure": failures}
    response = [{"status": answer.status, "data": answer.body} for answer in answers]
    return Answer(status=207, body={"response": response, "responseMetadata": told})


def _line(request: IRequest) -> str:
    return f"{request.method.decode('ascii', 'replace')} {request.uri.decode('ascii', 'replace')}"
