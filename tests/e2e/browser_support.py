"""A browser without a screen, told what to do over a pipe: Chromium's DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/ has the methods. With ``--remote-debugging-pipe`` Chromium reads
them on descriptor 3 and answers on 4. Messages are JSON and end with a zero byte.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lab.shell import wait_until

#: Seconds for an answer.
_PATIENCE = 30.0
_ARGUMENTS = (
    "--headless=new",
    "--remote-debugging-pipe",
    # It would need a user of its own.
    "--no-sandbox",
    # /dev/shm of a container is small.
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "about:blank",
)


class BrowserFailed(Exception):
    """The browser did not do what it was told; the message is its own."""


class Browser:
    """A Chromium with one page.

    Args:
        inside: Returns the command that runs another one where the browser shall run, such as in a host's namespace.
    """

    def __init__(self, inside: Callable[..., Sequence[object]] = lambda *words: words) -> None:
        self._profile = Path(tempfile.mkdtemp(prefix="nuage-browser-"))
        to_read, self._write = _high_pipe()
        self._read, to_write = _high_pipe()
        # Only a shell gives the descriptors the numbers that Chromium expects. Here these may be somebody else's.
        shell = ("bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "bash")
        words = inside(*shell, "chromium", f"--user-data-dir={self._profile}", *_ARGUMENTS)
        self._process = subprocess.Popen(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(to_read, to_write),
        )
        os.close(to_read)
        os.close(to_write)
        self._numbers = itertools.count(1)
        self._received = b""
        self._session: str | None = None
        #: What its security policy forbade the page, and what its script did not catch.
        self.complaints: list[str] = []
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.tell(f"{domain}.enable")

    def close(self) -> None:
        """End it."""
        os.close(self._write)
        os.close(self._read)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def tell(self, method: str, **parameters: Any) -> Any:
        """Call a method and return its result.

        Raises:
            BrowserFailed: It answered with an error, or not in time.
        """
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _PATIENCE
        while True:
            answer = self._next(deadline, method)
            if answer.get("id") != number:
                self._note(answer)
            elif "error" in answer:
                raise BrowserFailed(f"{method}: {answer['error']['message']}")
            else:
                return answer["result"]

    def open(self, address: str) -> None:
        """Open a page, and wait until it is loaded."""
        failed = self.tell("Page.navigate", url=address).get("errorText")
        if failed:
            raise BrowserFailed(f"{address}: {failed}")
        self.wait(f"{address} is loaded", "document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript in the page.

        Raises:
            BrowserFailed: It threw something.
        """
        done = self.tell("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise BrowserFailed(f"{expression}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def wait(self, what: str, expression: str, timeout: float = 15) -> None:
        """Wait until an expression of JavaScript is true; see :func:`lab.shell.wait_until`."""
        wait_until(what, lambda: self.value(f"Boolean({expression})"), timeout)

    def _next(self, deadline: float, method: str) -> Any:
        while b"\0" not in self._received:
            with selectors.DefaultSelector() as selector:
                selector.register(self._read, selectors.EVENT_READ)
                ready = selector.select(max(0, deadline - time.monotonic()))
            received = os.read(self._read, 1 << 20) if ready else b""
            if not received:
                raise BrowserFailed(f"{method}: {'Chromium has ended' if ready else f'no answer in {_PATIENCE:g} s'}")
            self._received += received
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)

    def _note(self, event: Any) -> None:
        parameters = event.get("params", {})
        if event.get("method") == "Log.entryAdded" and parameters["entry"]["source"] != "network":
            self.complaints.append(parameters["entry"]["text"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]))


def _high_pipe() -> tuple[int, int]:
    """Return the ends of a pipe, with numbers that no shell's redirection needs."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]
