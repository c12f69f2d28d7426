"""Reading an answer of HTTP/1.1 as it arrives."""

from __future__ import annotations

import attrs


class NotHttp(Exception):
    """What came is not an answer of HTTP."""


@attrs.frozen
class Answer:
    """A whole answer; ``whole`` is False if the connection broke within its body."""

    status: int
    body: bytes
    whole: bool = True


class AnswerReader:
    """Takes bytes until an answer is complete. What follows it is in ``rest``."""

    def __init__(self) -> None:
        self.rest = bytearray()
        self.closes = False
        self._status: int | None = None
        self._length: int | None = None
        self._chunked = False
        self._body = bytearray()

    @property
    def begun(self) -> bool:
        """Whether the header has arrived."""
        return self._status is not None

    def feed(self, data: bytes) -> Answer | None:
        """Take bytes; return the answer if it is complete.

        Raises:
            NotHttp: It is not one.
        """
        self.rest += data
        if self._status is None and not self._read_header():
            return None
        return self._read_chunks() if self._chunked else self._read_length()

    def cut(self) -> Answer:
        """Return what there is of an answer whose connection broke after its header."""
        assert self._status is not None
        until_end = self._length is None and not self._chunked
        return Answer(self._status, bytes(self._body + (b"" if self._chunked else self.rest)), until_end)

    def _read_header(self) -> bool:
        end = self.rest.find(b"\r\n\r\n")
        if end < 0:
            return False
        status, *lines = bytes(self.rest[:end]).decode("latin-1").split("\r\n")
        del self.rest[: end + 4]
        words = status.split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
            raise NotHttp(f"malformed HTTP response {status[:40]!r}")
        self._status = int(words[1])
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self._chunked = fields.get("transfer-encoding", "").lower() == "chunked"
        self.closes = fields.get("connection", "").lower() == "close"
        if "content-length" in fields:
            self._length = int(fields["content-length"])
        return True

    def _read_length(self) -> Answer | None:
        if self._length is None or len(self.rest) < self._length:
            return None
        body = bytes(self.rest[: self._length])
        del self.rest[: self._length]
        return self._done(body)

    def _read_chunks(self) -> Answer | None:
        while (end := self.rest.find(b"\r\n")) >= 0:
            length = int(bytes(self.rest[:end]).partition(b";")[0], 16)
            if len(self.rest) < end + 2 + length + 2:
                return None
            self._body += self.rest[end + 2 : end + 2 + length]
            del self.rest[: end + 2 + length + 2]
            if not length:
                return self._done(bytes(self._body))
        return None

    def _done(self, body: bytes) -> Answer:
        assert self._status is not None
        return Answer(self._status, body)
