"""Cutting a byte stream into JSON objects.

RFC 7047 section 4 puts JSON-RPC messages on a stream back to back, without delimiters or lengths: a message ends with
the brace that closes its first brace.
"""

from __future__ import annotations

import re

from nuage.ovsdb.errors import ProtocolViolation

#: Longest message accepted, in bytes. The initial content of the largest known databases is a tenth of that.
DEFAULT_FRAME_LIMIT = 1 << 30
#: Objects within objects. The protocol itself needs seven; a database cannot nest its values any deeper.
DEPTH_LIMIT = 100

_SPACE = re.compile(rb"[ \t\r\n]*")
_TOKEN = re.compile(rb'\\.?|["{}]', re.DOTALL)
_ALL_BUT_QUOTES_AND_BRACES = bytes(set(range(256)) - set(b'"{}'))


class Splitter:
    """Takes the stream's bytes as they come and returns each message once it is complete.

    The time needed is linear in the number of bytes, however they are cut. A message is put together as its parts come:
    the memory of each part serves the next one, which saves a long message most of its page faults.
    """

    def __init__(self, limit: int = DEFAULT_FRAME_LIMIT) -> None:
        """Accept messages of up to ``limit`` bytes."""
        self._limit = limit
        self._message = bytearray()
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, chunk: bytes) -> list[bytearray]:
        """Return the messages that ``chunk`` completes, in order.

        :raises ProtocolViolation: when something other than an object begins, a message exceeds the limit or is nested
            too deep. The splitter cannot be used afterwards.
        """
        frames: list[bytearray] = []
        start = 0
        while start < len(chunk):
            if not self._depth:
                start = self._skip_space(chunk, start)
                if start == len(chunk):
                    break
            end = self._find_end(chunk, start)
            self._keep(chunk[start:end])
            if end is None:
                break
            frames.append(self._take())
            start = end
        return frames

    def _skip_space(self, chunk: bytes, start: int) -> int:
        match = _SPACE.match(chunk, start)
        assert match is not None
        start = match.end()
        if start < len(chunk) and chunk[start] != ord("{"):
            raise ProtocolViolation(f"a JSON object was expected, not {chunk[start : start + 40]!r}")
        return start

    def _keep(self, part: bytes) -> None:
        self._message += part
        if len(self._message) > self._limit:
            raise ProtocolViolation(f"a message is longer than {self._limit} bytes")

    def _take(self) -> bytearray:
        frame, self._message = self._message, bytearray()
        return frame

    def _find_end(self, chunk: bytes, start: int) -> int | None:
        """Return the index behind the message's last byte, or None when it does not end in ``chunk``."""
        if start == 0 and self._depth and self._skim(chunk):
            return None
        return self._walk(chunk, start)

    def _skim(self, chunk: bytes) -> bool:
        """Tell whether the whole ``chunk`` lies inside the current message and, if so, step over it.

        Most of a long message is stepped over like this, a dozen times faster than by looking at each token. Two
        adjacent quotes, like two braces that match, can be removed without changing what any other byte means.
        """
        body = chunk[1:] if self._escaped else chunk
        if b"\\" in body:
            body = body.replace(rb"\\", b"").replace(rb"\"", b"")
        marks = body.translate(None, _ALL_BUT_QUOTES_AND_BRACES)
        # Long runs of quotes first: each replacement costs the same.
        pieces = marks.replace(b'""' * 4, b"").replace(b'""', b"").split(b'"')
        braces = self._cancel(b"".join(pieces[int(self._in_string) :: 2]))
        closing = braces.count(b"}")
        if closing >= self._depth:
            return False
        self._escaped = body.endswith(b"\\")
        self._in_string ^= len(pieces) % 2 == 0
        self._deepen(len(braces) - 2 * closing)
        return True

    def _cancel(self, braces: bytes) -> bytes:
        for _ in range(DEPTH_LIMIT):
            fewer = braces.replace(b"{}", b"")
            if len(fewer) == len(braces):
                return braces
            braces = fewer
        raise ProtocolViolation(f"a message is nested deeper than {DEPTH_LIMIT} objects")

    def _walk(self, chunk: bytes, start: int) -> int | None:
        """Look at each token from ``start`` on, up to the end of the message or of the ``chunk``."""
        start += self._escaped
        self._escaped = False
        for match in _TOKEN.finditer(chunk, start):
            token = match.group()
            if token == b'"':
                self._in_string = not self._in_string
            elif token == b"\\":
                self._escaped = True
            elif self._in_string:
                continue
            elif token == b"{":
                self._deepen(1)
            elif token == b"}":
                self._depth -= 1
                if not self._depth:
                    return match.end()
        return None

    def _deepen(self, levels: int) -> None:
        self._depth += levels
        if self._depth > DEPTH_LIMIT:
            raise ProtocolViolation(f"a message is nested deeper than {DEPTH_LIMIT} objects")
