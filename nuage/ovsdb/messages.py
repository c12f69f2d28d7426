"""JSON-RPC 1.0 messages (RFC 7047 section 4) from and to bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NoReturn

import attrs

from nuage.ovsdb.errors import ProtocolViolation


@attrs.frozen
class Reply:
    """The answer to a call: ``error`` is None when it succeeded."""

    id: Any
    result: Any
    error: Any


@attrs.frozen
class Request:
    """A call of the peer, or a notification when ``id`` is None."""

    id: Any
    method: str
    params: list[Any]


Message = Reply | Request


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def decode(frame: bytes | bytearray) -> Message:
    """Decode one message.

    The presence of ``method`` tells a request from a reply: the reply to a failed call may lack ``result``.

    :raises ProtocolViolation: when ``frame`` is not a JSON-RPC message.
    """
    try:
        fields = _decoder.decode(frame.decode())
    except (ValueError, RecursionError) as error:
        raise ProtocolViolation(f"a message is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise ProtocolViolation("a message is not a JSON object")
    if "method" in fields:
        return _request(fields)
    if "id" in fields and ("result" in fields or "error" in fields):
        return Reply(fields["id"], fields.get("result"), fields.get("error"))
    raise ProtocolViolation(f"a message is neither a request nor a reply; its members are {sorted(fields)[:10]}")


def _request(fields: dict[str, Any]) -> Request:
    method, params = fields["method"], fields.get("params")
    if not isinstance(method, str) or not isinstance(params, list):
        raise ProtocolViolation("a request lacks a method name or a list of parameters")
    return Request(fields.get("id"), method, params)


def encode_request(id_: Any, method: str, params: Sequence[Any]) -> bytes:
    """Encode a call."""
    return _encode({"id": id_, "method": method, "params": params})


def encode_reply(id_: Any, result: Any) -> bytes:
    """Encode the successful reply to a call of the peer."""
    return _encode({"id": id_, "result": result, "error": None})


def _encode(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), allow_nan=False).encode()


def describe_error(error: Any) -> tuple[str, str]:
    """Return the error string and the details of a non-null ``error``, which may be a string or an object."""
    if isinstance(error, dict):
        return str(error.get("error", "unknown error")), str(error.get("details", ""))
    return str(error), ""
