"""Cutting the stream into messages, and decoding them."""

from __future__ import annotations

import gc
import json
import weakref
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nuage.ovsdb.errors import ProtocolViolation
from nuage.ovsdb.framing import DEPTH_LIMIT, Splitter
from nuage.ovsdb.garbage import collection_paused
from nuage.ovsdb.messages import Reply, Request, decode, describe_error, encode_reply, encode_request

TEXT = st.text(alphabet=st.sampled_from('a"\\{}[]\n é\U0001f600'), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.lists(st.dictionaries(TEXT, JSON, max_size=4), max_size=5)
MESSAGES = [{}, {"a": '}{"\\'}, {"\\\\": ["{", {"b": {}}, '\\"']}, {"é": "\n}"}]


def split(chunks: list[bytes]) -> list[Any]:
    splitter = Splitter()
    return [json.loads(frame) for chunk in chunks for frame in splitter.feed(chunk)]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    borders = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(borders)]


class Framing(SynchronousTestCase):
    """Splitter."""

    def test_every_cut(self) -> None:
        """Wherever the stream is cut in two or three, the messages are the same."""
        data = " \r\n".join(json.dumps(message, ensure_ascii=False) for message in MESSAGES).encode()
        for first in range(len(data) + 1):
            for second in range(first, len(data) + 1):
                self.assertEqual(split([data[:first], data[first:second], data[second:]]), MESSAGES)

    def test_byte_by_byte(self) -> None:
        """Single bytes will do."""
        data = json.dumps(MESSAGES[2]).encode()
        self.assertEqual(split([bytes([byte]) for byte in data]), [MESSAGES[2]])

    @settings(deadline=None)
    @given(OBJECTS, st.lists(st.integers(min_value=0, max_value=10**6), max_size=30), st.booleans())
    def test_fuzz(self, objects: list[Any], places: list[int], ascii_only: bool) -> None:
        """Any objects, cut anywhere, come out as they were."""
        data = "".join(json.dumps(value, ensure_ascii=ascii_only) for value in objects).encode()
        self.assertEqual(split(cut(data, places)), objects)

    @settings(deadline=None)
    @given(st.binary(max_size=60), st.lists(st.integers(min_value=0, max_value=100), max_size=5))
    def test_garbage(self, data: bytes, places: list[int]) -> None:
        """Garbage is refused, kept as an unfinished message, or found out when it is decoded; nothing else happens."""
        splitter = Splitter()
        try:
            for chunk in cut(b'{"' + data, places):
                for frame in splitter.feed(chunk):
                    decode(frame)
        except ProtocolViolation:
            return
        self.assertLessEqual(len(splitter._message), len(data) + 2)

    def test_not_an_object(self) -> None:
        """A message is an object."""
        for data in (b"[]", b"x", b"\x00", b'{} "', b"}"):
            with self.assertRaises(ProtocolViolation):
                Splitter().feed(data)

    def test_limits(self) -> None:
        """Length and depth are bounded, across chunks as well as in one."""
        splitter = Splitter(limit=100)
        splitter.feed(b'{"' + b"x" * 98)
        with self.assertRaises(ProtocolViolation):
            splitter.feed(b"x")
        deep = b'{"a":' * (DEPTH_LIMIT + 1)
        for chunks in ([deep], [b'{"a":', deep], [b'{"a":', deep + b"1" + b"}" * (DEPTH_LIMIT + 1)]):
            splitter = Splitter()
            with self.assertRaises(ProtocolViolation):
                for chunk in chunks:
                    splitter.feed(chunk)
        allowed = b'{"a":' * DEPTH_LIMIT + b"1" + b"}" * DEPTH_LIMIT
        self.assertEqual(Splitter().feed(allowed), [allowed])

    def test_limit_is_per_message(self) -> None:
        """Many short messages are not a long one."""
        self.assertEqual(len(Splitter(limit=10).feed(b"{}" * 100)), 100)


class Messages(SynchronousTestCase):
    """JSON-RPC envelopes."""

    def test_kinds(self) -> None:
        """The presence of ``method`` tells a request; a failed reply may lack its result."""
        self.assertEqual(decode(b'{"id":1,"error":"x"}'), Reply(1, None, "x"))
        self.assertEqual(decode(b'{"id":1,"result":null,"error":null}'), Reply(1, None, None))
        self.assertEqual(decode(b'{"id":null,"method":"update","params":[1],"result":2}'), Request(None, "update", [1]))
        self.assertEqual(decode(encode_request(3, "echo", ["é"])), Request(3, "echo", ["é"]))
        self.assertEqual(decode(encode_reply("x", [])), Reply("x", [], None))

    def test_refused(self) -> None:
        """What is no message is a violation, whatever is wrong with it."""
        for frame in (
            b"{}",
            b"[]",
            b'{"id":1}',
            b'{"method":1,"params":[]}',
            b'{"method":"x","params":{}}',
            b'{"id":1,"result":NaN}',
            b'{"id":1,"result":"\xff"}',
            b'{"id":1,"result":"\n"}',
            b'{"id":1,"result":' + b"[" * 100000 + b"]" * 100000 + b"}",
            b'{"id":1,"result":' + b"9" * 10000 + b"}",
        ):
            with self.subTest(frame=frame[:50]), self.assertRaises(ProtocolViolation):
                decode(frame)

    def test_errors(self) -> None:
        """An error is a string or an object."""
        self.assertEqual(describe_error("unknown method"), ("unknown method", ""))
        self.assertEqual(describe_error({"error": "a", "details": "b", "syntax": "c"}), ("a", "b"))


class GarbageCollection(SynchronousTestCase):
    """Pausing the collector."""

    def test_restored(self) -> None:
        """The prior state comes back, after an error and when nested or disabled."""
        self.addCleanup(gc.enable)
        with self.assertRaises(KeyError), collection_paused():
            with collection_paused():
                pass
            self.assertFalse(gc.isenabled())
            raise KeyError
        self.assertTrue(gc.isenabled())
        gc.disable()
        with collection_paused():
            pass
        self.assertFalse(gc.isenabled())

    def test_promoted(self) -> None:
        """What a block makes is spared the collector's early rounds, and is collected as ever once it is garbage."""

        class Loop:
            def __init__(self) -> None:
                self.itself = self

        with collection_paused():
            made = Loop()
        self.assertFalse(any(young is made for young in gc.get_objects(generation=0)))
        gone = weakref.ref(made)
        del made
        gc.collect()
        self.assertIsNone(gone())
