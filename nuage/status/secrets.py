"""Keeping secrets out of what leaves the host."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from nuage.config import checks
from nuage.config.settings import Config

#: What stands in the place of a secret.
REMOVED = "(removed)"

#: Keys whose values are taken for secrets, whoever wrote them.
_SECRET_KEY = re.compile(r"passw|secret|token|credential|private.?key", re.IGNORECASE)
#: Parts of any text that are taken for secrets: keys in PEM, also on one line as JSON has them, and the password in a
#: URL.
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[A-Za-z0-9+/=\s:,-]|\\[nrt])*")
_URL = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]*(?=@)")
#: The shortest line of a file with a secret that is looked for elsewhere: a shorter one may be an ordinary word.
_SHORTEST_LINE = 4


def configuration(config: Config) -> dict[str, Any]:
    """Return a configuration as its file spells it, without secrets. The path of a file with a secret is not secret."""
    values = {}
    for field in attrs.fields(Config):
        value = getattr(config, field.name)
        secret = value is not None and field.metadata.get("secret", False)
        values[field.metadata["yaml"]] = REMOVED if secret else value
    return values


class Secrets:
    """The secrets of a configuration.

    Reading their files blocks: use it in a thread.

    Args:
        config: The configuration.
    """

    def __init__(self, config: Config) -> None:
        found: set[str] = set()
        for field in attrs.fields(Config):
            value = getattr(config, field.name)
            if value is not None and field.metadata.get("secret", False):
                found.add(str(value))
            elif value is not None and field.metadata["check"] is checks.secret_file:
                found.update(_lines(value))
        # In JSON, some characters are written in another way.
        self._values = sorted(found | {json.dumps(value)[1:-1] for value in found}, key=len, reverse=True)

    def remove_from(self, text: str) -> str:
        """Return a text without any secret."""
        for value in self._values:
            text = text.replace(value, REMOVED)
        return _URL.sub(REMOVED, _PEM.sub(REMOVED, text))


def _lines(path: Path) -> Iterable[str]:
    try:
        content = path.read_text(errors="replace")
    except OSError:
        # What cannot be read cannot have got anywhere by now, but by an earlier reading: the log never has it.
        return ()
    return [line.strip() for line in content.splitlines() if len(line.strip()) >= _SHORTEST_LINE]


def cleaned(value: Any) -> Any:
    """Return a value of JSON without what its keys say is secret."""
    if isinstance(value, Mapping):
        return {key: REMOVED if _SECRET_KEY.search(str(key)) else cleaned(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(each) for each in value]
    return value
