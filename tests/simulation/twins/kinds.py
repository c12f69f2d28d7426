"""A schema with each kind of column, of reference and of constraint."""

from __future__ import annotations

from typing import Any

#: Something in its JSON form.
Wire = dict[str, Any]

KINDS: Wire = {
    "name": "Kinds",
    "version": "1.0.0",
    "tables": {
        "Root": {
            "isRoot": True,
            "indexes": [["name"]],
            "columns": {
                "name": {"type": "string"},
                "number": {"type": "integer"},
                "few": {"type": {"key": {"type": "integer", "minInteger": 0, "maxInteger": 9}}},
                "share": {"type": "real"},
                "flag": {"type": "boolean"},
                "kind": {"type": {"key": {"type": "string", "enum": ["set", ["", "one", "two"]]}}},
                "short": {"type": {"key": {"type": "string", "maxLength": 3}}},
                "maybe": {"type": {"key": "integer", "min": 0, "max": 1}},
                "tags": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                "some": {"type": {"key": "integer", "min": 1, "max": 3}},
                "ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
                "counts": {"type": {"key": "string", "value": "integer", "min": 0, "max": 2}},
                "leaves": {"type": {"key": {"type": "uuid", "refTable": "Leaf"}, "min": 0, "max": "unlimited"}},
                "named": {
                    "type": {
                        "key": "string",
                        "value": {"type": "uuid", "refTable": "Leaf"},
                        "min": 0,
                        "max": "unlimited",
                    }
                },
                "lost": {"type": {"key": "string", "min": 0, "max": 1}, "ephemeral": True},
            },
        },
        "Leaf": {
            "columns": {
                "name": {"type": "string", "mutable": False},
                "next": {"type": {"key": {"type": "uuid", "refTable": "Leaf"}, "min": 0, "max": 1}},
            },
        },
        "Pair": {
            "isRoot": True,
            "maxRows": 3,
            "indexes": [["one", "two"]],
            "columns": {
                "one": {"type": "integer"},
                "two": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                "root": {"type": {"key": "uuid", "min": 1, "max": 2}},
            },
        },
    },
}
