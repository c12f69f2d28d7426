"""The page in a browser: with a host behind it, and with what a report may say."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from lab.dockerd import IMAGE
from lab.shell import wait_until
from nuage.status.report import Problem, Report, State
from tests.e2e.browser_support import Browser
from tests.e2e.host_support import HostTestCase, demand_programs
from tests.http_support import Answer
from tests.test_page import HOSTILE, NETWORK, REPORT, WEB, wire


class PageTests(HostTestCase):
    """The page of a host whose containers come and go. Chromium sees it as through ``ssh -L``."""

    def setUp(self) -> None:
        """Open the page of the host."""
        demand_programs("chromium")
        super().setUp()
        self.address = forward(self, self.host.plugin.control_socket)
        self.browser = browser(self)
        self.browser.open(self.address)
        self.browser.wait("it is told what changes", "liveness.textContent === 'live'")

    def test_the_life_of_containers(self) -> None:
        """One appears when it starts, turns from waiting to resolved, and disappears. Another one is refused."""
        network = self.create_network("seen")
        place = "['Enterprise', 'Domain', 'Zone', 'Subnet 2'].every((name) => picture.textContent.includes(name))"
        self.browser.wait("the network's place is drawn", f"{place} && picture.querySelector('.net')")
        self.addCleanup(self.have_controller)
        self.host.vsc.leave()
        wait_until("the controller is away", lambda: not self.host.vsc.is_master(self.host), 10)
        self.browser.wait(
            "the page says so", "document.querySelector('#parts .away')?.textContent === 'controller: away'"
        )
        with ThreadPoolExecutor() as pool:
            running = pool.submit(self.run_container, "web", "seen")
            self.browser.wait("the container waits", "document.querySelector('.tile.waiting')")
            self.host.vsc.come_back()
            running.result(30)
        self.browser.wait("it is resolved", tile("web", "resolved"))
        self.assertIn(self.inspect("web", "seen", "IPAddress"), self.explanation("web"))
        refused = ("run", "-d", "--name", "other", "--net", "seen", "--label=nuage.policygroup=web", IMAGE, "true")
        self._containers.append("other")
        self.assertIn("did you mean", self.refused(*refused))
        self.browser.wait("it is refused", tile("other", "refused"))
        self.assertIn('did you mean "nuage.policy-group"?', self.explanation("other"))
        self.remove_container("web")
        self.browser.wait("it is gone", f"!({tile('web')})")
        self.remove_network("seen")
        self.browser.wait("the network is gone", f"!picture.innerHTML.includes('{network[:12]}')")
        self.assertEqual(self.browser.complaints, [])

    def test_a_page_of_another_site(self) -> None:
        """A name that somebody made mean this address is not answered."""
        self.browser.open(self.address.replace("127.0.0.1", "localhost"))
        self.assertIn("nuage-plugin", self.browser.value("document.title"))
        self.browser.open(self.address.replace("127.0.0.1", "evil.localhost"))
        self.assertIn("this machine is not called 'evil.localhost", self.browser.value("document.body.textContent"))

    def explanation(self, name: str) -> str:
        """Choose an endpoint, and return what is said beside the picture."""
        self.browser.value(f"{tile(name)}.click()")
        return str(self.browser.value("explained.innerText"))

    def have_controller(self) -> None:
        """Have the controller back."""
        self.host.vsc.come_back()
        wait_until("the role is back", lambda: self.host.vsc.is_master(self.host), 10)


class DrawnTests(SynchronousTestCase):
    """The page with reports of which a test decides what they say."""

    timeout = 60

    def setUp(self) -> None:
        """Open the page."""
        demand_programs("chromium")
        self.report: Report | None = REPORT
        self.server = serve(self, self.answer)
        self.browser = browser(self)

    def answer(self, path: bytes) -> Answer | None:
        """Answer as the control socket does, or not at all if there is no report."""
        if self.report is None:
            return None
        return wire(self.report).send(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)[0]

    def show(self, **changes: Any) -> None:
        """Open the page for REPORT with other fields, and wait until the picture is there."""
        self.report = attrs.evolve(REPORT, **changes)
        self.browser.open(self.server)
        self.browser.wait("it is drawn", "document.querySelector('#topology')?.children.length")

    def test_hostile_names(self) -> None:
        """They are drawn as they are, and nothing of them runs or is loaded."""
        for name in HOSTILE:
            places: dict[str, Any] = dict.fromkeys(("organization", "domain", "zone", "subnet", "pool", "user"), name)
            texts: dict[str, Any] = dict.fromkeys(
                ("id", "container", "address", "mac", "policy_group", "reason", "link"), name
            )
            self.show(
                networks=(attrs.evolve(NETWORK, **places),),
                endpoints=(attrs.evolve(WEB, state=State.REFUSED, policy_from="label", **texts),),
                problems=(Problem(subject=name, text=name, remedy=name),),
            )
            for chosen in (".problem button", ".close", ".net > button"):
                self.browser.value(f"document.querySelector('{chosen}').click()")
                self.assertIn(name, self.browser.value("explained.textContent"))
            self.assertEqual(self.browser.value("document.querySelector('.tile .name').textContent"), name)
            self.assertEqual(self.browser.value("document.querySelectorAll('img, b, script + script').length"), 0)
        self.assertEqual(self.browser.complaints, [])

    def test_a_thousand_endpoints(self) -> None:
        """All are drawn, as icons; those in one state are found among them, with their names."""
        states = {17: State.WAITING, 400: State.REFUSED}
        self.show(
            endpoints=tuple(
                attrs.evolve(
                    WEB, id=f"{number:064x}", container=f"web-{number}", state=states.get(number, State.RESOLVED)
                )
                for number in range(1000)
            )
        )
        self.assertEqual(self.browser.value("document.querySelectorAll('.dots .tile').length"), 1000)
        self.browser.value("document.querySelector('#states .waiting').click()")
        self.assertEqual(
            self.browser.value("[...document.querySelectorAll('.tile')].map((each) => each.innerText.split('\\n')[0])"),
            ["web-17"],
        )
        self.assertTrue(self.browser.value("document.querySelector('.cards') !== null"))

    def test_with_the_keyboard(self) -> None:
        """Arrow keys go from one endpoint to the next; Enter chooses, Escape lets go. What is new takes no focus."""
        self.show(endpoints=tuple(attrs.evolve(WEB, id=each * 64, container=each) for each in "abc"))
        self.browser.value("document.querySelector('.tile').focus()")
        for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "Enter"):
            self.press(key)
        self.assertEqual(self.browser.value("explained.querySelector('h2').textContent"), "b")
        self.press("Escape")
        self.assertEqual(self.browser.value("explained.querySelector('h2').textContent"), "No problem")
        for each in ("#states .waiting", "#parts button", ".tile"):
            self.browser.value(f"document.querySelector('{each}').focus()")
            self.browser.value("take({...report})")
            self.assertTrue(self.browser.value(f"document.activeElement === document.querySelector('{each}')"), each)

    def test_a_daemon_that_ends(self) -> None:
        """The page says that what it shows is old, and goes on when there is one again."""
        self.show()
        self.report = None
        self.browser.wait("it says so", "liveness.textContent.includes('does not answer')")
        self.report = attrs.evolve(REPORT, endpoints=())
        self.browser.wait("it shows what is new", "!document.querySelector('.tile') && liveness.className === 'live'")

    def test_a_phone(self) -> None:
        """Nothing is wider than its screen, and what is chosen stays in sight."""
        self.browser.tell("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=True)
        long = "a-service-whose-name-has-no-end" * 3
        self.show(endpoints=tuple(attrs.evolve(WEB, id=f"{each:064x}", container=long) for each in range(50)))
        self.browser.value("[...document.querySelectorAll('.tile')].at(-1).click()")
        self.assertLessEqual(self.browser.value("document.documentElement.scrollWidth"), 360)
        below = "document.querySelector('.tile[aria-pressed=true]').getBoundingClientRect().bottom"
        self.assertLessEqual(self.browser.value(f"{below} - explained.getBoundingClientRect().top"), 0)

    def press(self, key: str) -> None:
        """Press a key."""
        text = {"text": "\r"} if key == "Enter" else {}
        self.browser.tell(
            "Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=13 if text else 0, **text
        )
        self.browser.tell("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)


def tile(name: str, state: str = "tile") -> str:
    """Return the JavaScript that finds the endpoint of a container in the picture, in a state if one is named."""
    return (
        f"[...document.querySelectorAll('.tile.{state}')].find((each) => each.innerText.split('\\n')[0] === '{name}')"
    )


def browser(case: SynchronousTestCase) -> Browser:
    """Return a browser for the time of a test."""
    started = Browser()
    case.addCleanup(started.close)
    return started


def serve(case: SynchronousTestCase, make: Callable[[bytes], Answer | None]) -> str:
    """Serve what ``make`` answers for a path, None for hanging up, and return the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = make(self.path.encode("ascii"))
            if answer is None:
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name not in ("Transfer-Encoding", "Server", "Date"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    return _listening(case, ThreadingHTTPServer(("127.0.0.1", 0), Handler))


def forward(case: SynchronousTestCase, path: Path) -> str:
    """Forward an address of this machine to a unix socket, and return it."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as there:
                there.connect(str(path))
                back = threading.Thread(target=_copy, args=(there, self.request))
                back.start()
                _copy(self.request, there)
                back.join()

    return _listening(case, ThreadingTCPServer(("127.0.0.1", 0), Handler))


def _copy(origin: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := origin.recv(65536):
            target.sendall(content)
    for each in (origin, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def _listening(case: SynchronousTestCase, server: ThreadingTCPServer | ThreadingHTTPServer) -> str:
    # Those of a connection end with the browser.
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    for step in (thread.join, server.server_close, server.shutdown):
        case.addCleanup(step)
    return "http://{}:{}/".format(*server.server_address)
