"""The session with the VSD: its login, its servers, what is repeated, and what is said of what goes wrong."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nuage.errors import NuageError, VsdRefused, VsdUnavailable
from nuage.http import Response
from nuage.vsd.predicates import equals
from nuage.vsd.session import PAGE
from tests.played_vsd import PASSWORD, URLS, Asked, PlayedVsd, answer, basic, error, gone

Result = TypeVar("Result")

EPOCH = "Thu, 01 Jan 1970 00:00:00 GMT"
VSD = "the VSD at https://one:8443/nuage/api/v6 (vsd_url): "


class SessionCase(SynchronousTestCase):
    """One session with a VSD that is played."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.vsd = PlayedVsd({"/enterprises": [{"ID": "e1", "name": "Enterprise"}, {"ID": "e2", "name": "Other"}]})
        self.session = self.vsd.session(self.clock)
        self.addCleanup(lambda: self.successResultOf(Deferred.fromCoroutine(self.session.stop())))

    def start(self, work: Coroutine[Any, Any, Result]) -> Deferred[Result]:
        return Deferred.fromCoroutine(work)

    def done(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what work comes to; all pauses that it makes pass."""
        outcome = self.finished(self.start(work))
        return self.successResultOf(outcome)

    def problem(self, work: Coroutine[Any, Any, object], kind: type[NuageError] = VsdUnavailable) -> Any:
        outcome = self.finished(self.start(work))
        return self.failureResultOf(outcome, kind).value

    def finished(self, outcome: Deferred[Result]) -> Deferred[Result]:
        for _ in range(100):
            if outcome.called:
                break
            self.clock.advance(0.1)
        return outcome


class Asking(SessionCase):
    """What a request looks like, and what comes of the answer."""

    def test_the_requests(self) -> None:
        """The password is for the login alone; the key is for everything else."""
        found = self.done(self.session.get("/enterprises", filter='name == "Other"'))
        self.assertEqual([each["ID"] for each in found], ["e2"])
        login, question = self.vsd.asked
        self.assertEqual((str(login), str(question)), ("GET /me", "GET /enterprises"))
        self.assertEqual(login.headers["Authorization"], basic("csproot", PASSWORD))
        self.assertEqual(
            question.headers,
            {
                "Authorization": basic("csproot", "key-1"),
                "Content-Type": "application/json",
                "X-Nuage-Organization": "csp",
                "X-Nuage-Filter": 'name == "Other"',
                "X-Nuage-FilterType": "predicate",
                "X-Nuage-Page": "0",
                "X-Nuage-PageSize": "500",
            },
        )

    def test_all_pages(self) -> None:
        self.vsd.objects["/users"] = [{"ID": str(number)} for number in range(2 * PAGE + 1)]
        self.assertEqual(len(self.done(self.session.get("/users"))), 2 * PAGE + 1)
        self.assertEqual(self.vsd.told, ["GET /users"] * 3)

    def test_pages_of_a_list_that_changes(self) -> None:
        """What moves to another page meanwhile is not there twice."""
        pages = [[{"ID": "a"}, {"ID": "b"}], [{"ID": "b"}, {"ID": "c"}], []]
        self.vsd.script = lambda asked: (
            None if asked.path == "/me" else answer(200, pages[int(asked.headers["X-Nuage-Page"])], Count="4")
        )
        self.assertEqual([each["ID"] for each in self.done(self.session.get("/users"))], ["a", "b", "c"])

    def test_pages_without_a_count(self) -> None:
        whole = [{"ID": str(number)} for number in range(PAGE)]
        pages = [whole, [{"ID": "last"}]]
        self.vsd.script = lambda asked: (
            None if asked.path == "/me" else answer(200, pages[int(asked.headers["X-Nuage-Page"])])
        )
        self.assertEqual(len(self.done(self.session.get("/users"))), PAGE + 1)

    def test_pages_without_an_end(self) -> None:
        def endless(asked: Asked) -> Response | None:
            if asked.path == "/me":
                return None
            first = int(asked.headers["X-Nuage-Page"]) * PAGE
            return answer(200, [{"ID": str(first + number)} for number in range(PAGE)], Count="999999999")

        self.vsd.script = endless
        self.assertEqual(
            str(self.problem(self.session.get("/users"))),
            f"{VSD}GET /users: not understood: it has more than 100000 of them",
        )

    def test_first(self) -> None:
        first = self.done(self.session.first("/enterprises", equals("name", "Other")))
        self.assertEqual(first, {"ID": "e2", "name": "Other"})
        self.assertIsNone(self.done(self.session.first("/enterprises", equals("name", "None"))))

    def test_post(self) -> None:
        made = self.done(self.session.post("/containers", {"name": "web"}, as_user="admin@Enterprise"))
        self.assertEqual(made["name"], "web")
        asked = self.vsd.asked[-1]
        self.assertEqual((str(asked), asked.body), ("POST /containers", {"name": "web"}))
        self.assertEqual(asked.headers["X-Nuage-ProxyUser"], "admin@Enterprise")
        self.assertIsNone(self.done(self.session.put("/vports/v1/policygroups", ["p1"])))
        self.assertEqual(self.vsd.asked[-1].body, ["p1"])

    def test_a_put_that_changes_nothing(self) -> None:
        """It is done, as the VSD says in its way: a call that is repeated sends it again."""
        self.vsd.play(answer(409, error(2039, "No change", "There are no attribute changes")), method="PUT")
        self.assertIsNone(self.done(self.session.put("/containers/c1", {"UUID": "e"})))
        self.vsd.play(answer(409, error(2748, "Duplicate", "The UUID is in use")), method="PUT")
        self.problem(self.session.put("/containers/c1", {"UUID": "e"}), VsdRefused)

    def test_delete(self) -> None:
        """The VSD's question is answered beforehand; what is not there is removed."""
        self.done(self.session.delete("/containers/c1"))
        self.done(self.session.delete("/subnets/s1/vmipreservations?IPV4Address=10.0.0.2"))
        self.assertEqual(
            self.vsd.told,
            [
                "DELETE /containers/c1?responseChoice=1",
                "DELETE /subnets/s1/vmipreservations?IPV4Address=10.0.0.2&responseChoice=1",
            ],
        )
        self.vsd.script = lambda asked: answer(404, error(0, "Not found", "no")) if "c2" in asked.path else None
        self.done(self.session.delete("/containers/c2"))
        self.vsd.script = lambda asked: answer(409, error(7010, "In use", "by a VM")) if "c3" in asked.path else None
        self.assertEqual(self.problem(self.session.delete("/containers/c3"), VsdRefused).code, 7010)

    def test_a_refusal(self) -> None:
        """It has the VSD's words and number."""
        body = error(2510, "Duplicate object", "Another object with the same name already exists.")
        self.vsd.script = lambda asked: answer(409, body) if asked.method == "POST" else None
        problem = self.problem(self.session.post("/containers", {"name": "web", "password": PASSWORD}), VsdRefused)
        self.assertEqual(
            str(problem),
            f"{VSD}POST /containers: it answered 409, its error 2510: Duplicate object; "
            "name: Another object with the same name already exists",
        )
        self.assertEqual((problem.status, problem.code, problem.title), (409, 2510, "Duplicate object"))
        self.assertEqual(problem.description, "name: Another object with the same name already exists.")

    def test_a_refusal_in_other_forms(self) -> None:
        for body, words in (
            (b"<html><h1>Forbidden</h1>", "it answered 403: Phrase <html><h1>Forbidden</h1>"),
            (b"", "it answered 403: Phrase nothing"),
            ({"errors": [{"title": "No", "description": "not you."}]}, "it answered 403: No; not you"),
            ({"title": "No", "description": ""}, "it answered 403: No"),
            ({"errors": None, "internalErrorCode": "x"}, "it answered 403: Phrase {"),
            ({"choices": [], "errors": [{"property": "", "descriptions": [{"title": "Sure?"}]}]}, "403: Sure?"),
        ):
            with self.subTest(words):
                self.vsd.play(answer(403, body))
                self.assertIn(words, str(self.problem(self.session.get("/enterprises"), VsdRefused)))


class LoggingIn(SessionCase):
    """One key for everybody, and another before it is too late."""

    def logins(self) -> int:
        return len([each for each in self.vsd.asked if each.path == "/me"])

    def test_once_for_all_who_wait(self) -> None:
        waiting: list[Deferred[Response]] = []

        def late(asked: Asked) -> Deferred[Response] | None:
            if asked.path == "/me":
                waiting.append(Deferred())
                return waiting[-1]
            return None

        self.vsd.script = late
        questions = [self.start(self.session.get("/enterprises")) for _ in range(3)]
        given_up = questions.pop(0)
        given_up.cancel()
        self.failureResultOf(given_up, CancelledError)
        waiting.pop().callback(answer(200, [{"ID": "me", "APIKey": "key-1"}]))
        for question in questions:
            self.assertEqual(len(self.successResultOf(question)), 2)
        self.assertEqual(self.logins(), 1)
        self.assertEqual(waiting, [])

    def test_renewed_before_it_expires(self) -> None:
        """By the VSD's clock, whatever ours says; the margin is a minute, or a tenth of a key that is short."""
        self.vsd.date = "Thu, 01 Jan 2026 00:00:00 GMT"
        for valid, until in ((86400, 86340), (600, 540), (100, 90)):
            self.vsd.me = {"APIKeyExpiry": (1767225600 + valid) * 1000}
            self.session = self.vsd.session(self.clock)
            self.vsd.asked.clear()
            self.done(self.session.get("/enterprises"))
            self.clock.advance(until - 1)
            self.done(self.session.get("/enterprises"))
            self.assertEqual(self.logins(), 1)
            self.clock.advance(1)
            self.vsd.key = f"key-{valid}"
            self.done(self.session.get("/enterprises"))
            self.assertEqual(self.logins(), 2)
            self.assertEqual(self.vsd.asked[-1].user, f"csproot:key-{valid}")
            # None was refused for its key.
            self.assertEqual(len(self.vsd.asked), 5)

    def test_the_same_key_again(self) -> None:
        """A VSD that does not renew yet is not asked again at once."""
        self.vsd.date, self.vsd.me = EPOCH, {"APIKeyExpiry": 100_000}
        self.done(self.session.get("/enterprises"))
        self.clock.advance(90)
        self.vsd.date = "Thu, 01 Jan 1970 00:01:30 GMT"
        for _ in range(3):
            self.done(self.session.get("/enterprises"))
        self.assertEqual(self.logins(), 2)

    def test_expiry_that_is_of_no_use(self) -> None:
        """Such a key is used until the VSD refuses it."""
        for expiry, date in ((None, EPOCH), ("soon", EPOCH), (-1, EPOCH), (1 << 70, EPOCH), (True, EPOCH), (5000, "x")):
            self.vsd.me, self.vsd.date = {"APIKeyExpiry": expiry}, date
            self.session = self.vsd.session(self.clock)
            self.vsd.asked.clear()
            self.done(self.session.get("/enterprises"))
            self.clock.advance(1e6)
            self.done(self.session.get("/enterprises"))
            self.assertEqual(self.logins(), 1)

    def test_a_key_that_is_not_taken(self) -> None:
        """Another one is got, once, and the request is carried out with it."""
        for status in (401, 419):
            with self.subTest(status):
                self.done(self.session.get("/enterprises"))
                self.vsd.key = f"key-{status}"
                self.vsd.asked.clear()
                self.vsd.play(answer(status, b"expired"))
                made = self.done(self.session.post("/containers", {"name": "web"}))
                self.assertEqual(made["name"], "web")
                self.assertEqual(
                    [str(each) for each in self.vsd.asked], ["POST /containers", "GET /me", "POST /containers"]
                )

    def test_many_keys_that_are_not_taken(self) -> None:
        """One login is enough for all whose key is out of date at once."""
        self.done(self.session.get("/enterprises"))
        self.vsd.key = "key-2"
        waiting: list[Deferred[Response]] = []

        def late(asked: Asked) -> Deferred[Response] | None:
            if "key-1" not in asked.user:
                return None
            waiting.append(Deferred())
            return waiting[-1]

        self.vsd.script = late
        questions = [self.start(self.session.get("/enterprises")) for _ in range(5)]
        for each in waiting:
            each.callback(answer(401, b""))
        for question in questions:
            self.successResultOf(question)
        self.assertEqual(self.logins(), 2)

    def test_no_key_is_taken(self) -> None:
        """It is not tried without end."""
        self.vsd.script = lambda asked: None if asked.path == "/me" else answer(401, b"no")
        problem = self.problem(self.session.get("/enterprises"), VsdRefused)
        self.assertEqual(str(problem), f"{VSD}GET /enterprises: it answered 401: Phrase no")
        self.assertEqual(self.logins(), 2)

    def test_an_account_that_is_refused(self) -> None:
        """The message names the keys; the account is left alone for a while, so that nothing locks it."""
        refused = True
        self.vsd.script = lambda asked: answer(401, b"") if refused and asked.path == "/me" else None
        for _ in range(3):
            problem = self.problem(self.session.get("/enterprises"), VsdRefused)
            self.assertIn(f'{VSD}GET /me: it answered 401: Phrase nothing; it does not accept "csproot"', str(problem))
            self.assertIn(
                'organization "csp"; vsd_user, vsd_organization and the password or the certificate', str(problem)
            )
            self.assertNotIn(PASSWORD, str(problem))
        self.assertEqual(self.logins(), 1)
        refused = False
        self.clock.advance(30)
        self.done(self.session.get("/enterprises"))
        self.assertEqual(self.logins(), 2)

    def test_a_login_that_is_not_there(self) -> None:
        """Then it is not the account that is wrong."""
        for status, remedy in ((404, "; vsd_url and vsd_version have to name the VSD's interface"), (429, "")):
            self.vsd.script = lambda _asked, status=status: answer(status, b"no")  # type: ignore[misc]
            self.session = self.vsd.session(self.clock)
            problem = self.problem(self.session.get("/enterprises"), VsdRefused)
            self.assertEqual(str(problem), f"{VSD}GET /me: it answered {status}: Phrase no{remedy}")

    def test_secrets(self) -> None:
        """No representation has them."""
        self.done(self.session.get("/enterprises"))
        login = self.session._login
        for value in (login._account, login._key, self.session, login):
            self.assertNotIn(PASSWORD, repr(value))
            self.assertNotIn("key-1", repr(value))


class Servers(SessionCase):
    """What is done where a server does not answer."""

    def test_repeated_with_pauses(self) -> None:
        """All servers in turn, then again after a pause that grows."""
        self.session = self.vsd.session(self.clock, urls=URLS)
        self.done(self.session.get("/enterprises"))
        self.vsd.asked.clear()
        down = {"one:8443", "two:8443"}
        self.vsd.script = lambda asked: self.fail_if(asked.server in down)
        question = self.start(self.session.get("/enterprises"))
        for rounds, pause in ((1, 0.1), (2, 0.3), (3, 0.9)):
            self.assertEqual(len(self.vsd.asked), 2 * rounds)
            self.clock.advance(pause - 0.01)
            self.assertEqual(len(self.vsd.asked), 2 * rounds)
            if rounds == 3:
                down.discard("two:8443")
            self.clock.advance(0.011)
        self.assertEqual(len(self.successResultOf(question)), 2)
        # The one that answered is asked first from now on.
        self.assertEqual(self.vsd.asked[-1].server, "two:8443")
        self.done(self.session.get("/enterprises"))
        self.assertEqual(self.vsd.asked[-1].server, "two:8443")
        self.assertEqual(len(self.vsd.asked), 9)

    def fail_if(self, down: bool) -> None:
        if down:
            raise gone()

    def test_the_server_that_failed_is_named(self) -> None:
        self.session = self.vsd.session(self.clock, urls=URLS)

        def script(asked: Asked) -> None:
            raise gone(f"{asked.server} is away")

        self.vsd.script = script
        problem = str(self.problem(self.session.get("/enterprises")))
        self.assertEqual(problem, f"the VSD at {URLS[1]} (vsd_url): GET /me: two:8443 is away")

    def test_many_at_once(self) -> None:
        """Each of them finds the server that is there."""
        self.session = self.vsd.session(self.clock, urls=URLS)
        self.done(self.session.get("/enterprises"))
        hanging: list[Deferred[Response]] = []

        def script(asked: Asked) -> Deferred[Response] | None:
            if asked.server != "one:8443":
                return None
            hanging.append(Deferred())
            return hanging[-1]

        self.vsd.script = script
        questions = [self.start(self.session.get("/enterprises")) for _ in range(4)]
        for each in hanging:
            each.errback(gone(connected=True))
        for question in questions:
            self.assertEqual(len(self.successResultOf(question)), 2)

    def test_none_answers(self) -> None:
        self.vsd.script = lambda _asked: self.fail_if(True)
        problem = self.problem(self.session.get("/enterprises"))
        self.assertEqual(str(problem), f"{VSD}GET /me: cannot connect: Connection refused")
        self.assertEqual(len(self.vsd.asked), 4)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_pauses_while_it_is_away(self) -> None:
        """Who asks next waits for one round alone: a host that gives back a hundred addresses asks a hundred times."""
        self.vsd.script = lambda _asked: (_ for _ in ()).throw(gone())
        self.problem(self.session.get("/enterprises"))
        asked, now = len(self.vsd.asked), self.clock.seconds()
        self.problem(self.session.get("/enterprises"))
        self.assertEqual((len(self.vsd.asked) - asked, self.clock.seconds()), (1, now))
        # After an answer it is as before.
        self.vsd.script = lambda _asked: None
        self.done(self.session.get("/enterprises"))
        self.vsd.play(gone(), gone())
        self.done(self.session.get("/enterprises"))

    def test_the_time_is_shared(self) -> None:
        """Two servers that hang take together what one request may take."""
        self.session = self.vsd.session(self.clock, urls=URLS, timeout=4)
        given: list[float] = []
        ask = self.vsd.ask

        async def hang(method: str, url: str, timeout: float, **details: Any) -> Response:
            if "/me" in url:
                return await ask(method, url, timeout, **details)
            given.append(timeout)
            self.clock.advance(timeout)
            raise gone(f"no answer within {timeout:g} seconds", connected=True)

        self.vsd.ask = hang  # type: ignore[method-assign]
        problem = self.problem(self.session.get("/enterprises"))
        self.assertEqual(given, [2, 2])
        self.assertIn("GET /enterprises: no answer within 2 seconds", str(problem))

    def test_errors_of_a_server(self) -> None:
        """They may pass, as those of a proxy before it and its redirections do."""
        for status in (301, 302, 500, 502, 503):
            with self.subTest(status):
                self.vsd.play(answer(status, b"try later"))
                self.assertEqual(len(self.done(self.session.get("/enterprises"))), 2)
        self.vsd.script = lambda asked: None if asked.path == "/me" else answer(503, b"try\nlater")
        problem = self.problem(self.session.get("/enterprises"))
        self.assertEqual(str(problem), f"{VSD}GET /enterprises: it answered 503: Phrase try later")

    def test_a_post_is_not_repeated(self) -> None:
        """Unless it was not sent."""
        for connected, sent in ((True, 1), (False, 4)):
            self.vsd.asked.clear()
            self.vsd.play(*[gone("it broke off", connected=connected)] * 4, method="POST")
            problem = self.problem(self.session.post("/containers", {"name": "web"}))
            self.assertIn("POST /containers: it broke off", str(problem))
            self.assertEqual(self.vsd.told, ["POST /containers"] * sent)

    def test_a_post_whose_answer_is_lost(self) -> None:
        """The object is looked for: where it arrived it is not made again, where it did not it is."""
        for arrived in (True, False):
            with self.subTest(arrived=arrived):
                self.vsd.asked.clear()
                self.vsd.objects["/containers"] = [{"ID": "c1", "UUID": "u1"}] if arrived else []
                self.vsd.play(gone("it broke off", connected=True), method="POST")
                made = self.done(self.session.post("/containers", {"UUID": "u1"}, unless=equals("UUID", "u1")))
                self.assertEqual(made["UUID"], "u1")
                expected = ["POST /containers", "GET /containers"] + ([] if arrived else ["POST /containers"])
                self.assertEqual(self.vsd.told, expected)
                self.assertEqual(len(self.vsd.objects["/containers"]), 1)

    def test_a_post_whose_answer_is_always_lost(self) -> None:
        self.vsd.objects["/containers"] = []
        self.vsd.play(*[gone("it broke off", connected=True)] * 4, method="POST")
        self.problem(self.session.post("/containers", {"UUID": "u1"}, unless=equals("UUID", "u1")))
        self.assertEqual(self.vsd.told.count("POST /containers"), 3)

    def test_cancelled(self) -> None:
        """In a request, and in a pause: nothing is left."""
        self.vsd.script = lambda _asked: Deferred()
        question = self.start(self.session.get("/enterprises"))
        question.cancel()
        self.failureResultOf(question, CancelledError)
        self.session = self.vsd.session(self.clock)
        self.vsd.script = lambda _asked: self.fail_if(True)
        question = self.start(self.session.get("/enterprises"))
        question.cancel()
        self.failureResultOf(question, CancelledError)
        self.clock.advance(10)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class Seeing(SessionCase):
    """Whether the VSD is there."""

    def test_at_the_start(self) -> None:
        self.assertIsNone(self.session.presence.there)
        self.assertEqual(self.session.presence.status, "the VSD was not asked yet")
        self.session.start()
        self.assertIs(self.session.presence.there, True)
        self.assertEqual(self.session.presence.status, "the VSD answers")

    def test_away_and_back(self) -> None:
        """It is asked again although nobody else asks, and its return is told."""
        returns: list[bool] = []
        self.session.presence.on_return(lambda: returns.append(True))
        down = True
        self.vsd.script = lambda _asked: self.away(down)
        self.session.start()
        self.clock.pump([0.1, 0.3, 0.9])
        self.assertIs(self.session.presence.there, False)
        self.assertEqual(self.session.presence.status, f"{VSD}GET /me: cannot connect: Connection refused")
        asked = len(self.vsd.asked)
        self.clock.advance(29.9)
        self.assertEqual(len(self.vsd.asked), asked)
        down = False
        self.clock.advance(0.1)
        self.assertIs(self.session.presence.there, True)
        self.assertEqual(returns, [True])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.done(self.session.get("/enterprises"))
        self.assertEqual(returns, [True])

    def test_noticed_by_somebody_else(self) -> None:
        """Who asks meanwhile notices its return, and nobody asks for that any more."""
        self.vsd.play(*[gone()] * 4, login=True)
        self.session.start()
        self.clock.pump([0.1, 0.3, 0.9])
        self.assertIs(self.session.presence.there, False)
        self.done(self.session.get("/enterprises"))
        self.assertIs(self.session.presence.there, True)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def away(self, down: bool) -> None:
        if down:
            raise gone()

    def test_an_account_that_is_refused(self) -> None:
        """The VSD is of no use then."""
        self.vsd.key = "other"
        self.vsd.script = lambda asked: answer(403, b"no") if asked.path == "/me" else None
        self.session.start()
        self.assertIs(self.session.presence.there, False)
        self.assertIn("does not accept", self.session.presence.status)

    def test_a_refusal_is_an_answer(self) -> None:
        self.problem(self.session.get("/nowhere"), VsdRefused)
        self.assertIs(self.session.presence.there, True)

    def test_stopped_while_it_asks(self) -> None:
        self.vsd.script = lambda _asked: Deferred()
        self.session.start()
        self.successResultOf(self.start(self.session.stop()))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class Predicates(SynchronousTestCase):
    """Names within filters."""

    def test_quotes(self) -> None:
        for value, predicate in (
            ("Subnet 2", 'name == "Subnet 2"'),
            ("it's", 'name == "it\'s"'),
            ('12" rack', "name == '12\" rack'"),
            ("a\"b'c", 'name == "a\\"b\'c"'),
            ("a\\b", 'name == "a\\\\b"'),
        ):
            self.assertEqual(equals("name", value), predicate)
