"""Reading the configuration: one YAML mapping and the environment become a frozen :class:`Config`.

A variable of the environment, ``NUAGE_`` and the key, overrides the file. All problems of both are reported together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import yaml

from nuage.config.contradictions import contradictions
from nuage.config.settings import Config
from nuage.errors import ConfigurationError
from nuage.text import did_you_mean

#: What the names of variables start with.
_PREFIX = "NUAGE_"
#: A user and a password in a URL, with whatever characters.
_CREDENTIALS = re.compile(r"(?<=//)\S*@")
#: What a message of PyYAML's repeats of the file, which may be a secret, and what comes before it.
_REPEATED = re.compile(r"(?<=alias |nchor |andle )['\"].*")


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read the configuration. An empty file means all defaults.

    Args:
        path: The file.
        environ: The environment, whose variables named ``NUAGE_`` and a key override the file. An empty one counts as
            not given.

    Raises:
        ConfigurationError: The file cannot be read, or it or a variable cannot be used; the message has every problem.
    """
    try:
        entries = _entries(path.read_bytes())
    except OSError as problem:
        raise ConfigurationError(f"{path}: cannot be read: {problem.strerror}") from problem
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise ConfigurationError(f"{path}{_yaml_problem(problem)}") from problem
    variables = _variables(environ)
    found = _Findings()
    found.check(entries)
    found.problems += _open_secrets(entries, path)
    found.check(variables)
    config = Config(**found.values)
    found.problems += [problem for keys, problem in contradictions(config) if found.refused.isdisjoint(keys)]
    if found.problems:
        where = f"{path} and the environment" if variables else str(path)
        count = f"{len(found.problems)} problem{'s' if len(found.problems) > 1 else ''}"
        raise ConfigurationError("\n  ".join([f"{where}: {count}", *found.problems]))
    return config


@attrs.frozen(kw_only=True)
class _Entry:
    """What was given for one key, and where: a key in a line of the file, or a variable.

    ``values`` are the ways to understand it, the preferred one first.
    """

    kind: str
    place: str
    name: str
    key: str
    values: tuple[Any, ...]

    @property
    def at(self) -> str:
        return f"{self.place}: " if self.place else ""

    def spelling(self, field: attrs.Attribute[Any]) -> str:
        """Return how a key is spelled where this was given."""
        return field.metadata["yaml"] if self.kind == "key" else f"{_PREFIX}{field.name.upper()}"


def _entries(content: bytes) -> list[_Entry]:
    """Return the entries of a file in its order and with duplicates."""
    loader = yaml.SafeLoader(content)
    try:
        root = loader.get_single_node()
        if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == "tag:yaml.org,2002:null"):
            return []
        if not isinstance(root, yaml.MappingNode):
            raise ValueError('is not a mapping: it has to hold lines of the form "key: value"')
        return [
            _Entry(
                kind="key",
                place=f"line {key.start_mark.line + 1}",
                name=str(key.value),
                key=_folded(str(key.value)),
                values=(_constructed(loader, key, value),),
            )
            for key, value in root.value
        ]
    finally:
        loader.dispose()


def _constructed(loader: yaml.SafeLoader, key: yaml.Node, value: yaml.Node) -> Any:
    """Return a value. What YAML says of one that it cannot make repeats the value, which may be a secret."""
    try:
        return loader.construct_document(value)
    except Exception as problem:
        line = key.start_mark.line + 1
        raise ValueError(f'line {line}: the value of "{key.value}" cannot be read; put it in quotes') from problem


def _open_secrets(entries: Iterable[_Entry], path: Path) -> Iterator[str]:
    """Find secrets in a file that other users may read."""
    secrets = {_folded(field.name) for field in attrs.fields(Config) if field.metadata["secret"]}
    if path.stat().st_mode & 0o077:
        for entry in entries:
            if entry.key in secrets and entry.values != (None,):
                text = f"is a secret, and {path} is open to other users: chmod 600 {path}, or put it into another file"
                yield f"{entry.at}{entry.name}: {text}"


def _variables(environ: Mapping[str, str]) -> list[_Entry]:
    """Return the entries of the environment."""
    return [
        _Entry(kind="variable", place="", name=name, key=_folded(name.removeprefix(_PREFIX)), values=_readings(text))
        for name, text in sorted(environ.items())
        if name.startswith(_PREFIX) and text
    ]


def _readings(text: str) -> tuple[Any, ...]:
    """Return a variable's text as unquoted YAML, and as it is, as if it were quoted."""
    loader = yaml.SafeLoader("")
    try:
        tag = loader.resolve(yaml.ScalarNode, text, (True, False))
        return loader.construct_object(yaml.ScalarNode(tag, text)), text
    except (yaml.YAMLError, ValueError):
        return (text,)
    finally:
        loader.dispose()


def _yaml_problem(problem: Exception) -> str:
    mark = getattr(problem, "problem_mark", None)
    if mark is not None:
        told = _REPEATED.sub("…", getattr(problem, "problem", None) or str(problem))
        return f", line {mark.line + 1}, column {mark.column + 1}: is not YAML: {told}"
    if isinstance(problem, yaml.YAMLError):
        return f": is not YAML: {' '.join(str(problem).split())}"
    return f": {problem}"


def _folded(key: str) -> str:
    """Reduce a key to what tells it from others: case, ``_`` and ``-`` do not count."""
    return key.lower().replace("_", "").replace("-", "")


@attrs.define
class _Findings:
    """What entries come to: good values by attribute, the attributes with a bad one, and the problems."""

    values: dict[str, Any] = attrs.field(factory=dict)
    refused: set[str] = attrs.field(factory=set)
    problems: list[str] = attrs.field(factory=list)

    def check(self, entries: Iterable[_Entry]) -> None:
        """Add the entries of one source; they override those of sources that were added before."""
        known = {_folded(field.name): field for field in attrs.fields(Config)}
        first: dict[str, _Entry] = {}
        for entry in entries:
            field = known.get(entry.key)
            if field is None:
                self.problems.append(f'{entry.at}unknown {entry.kind} "{entry.name}"{_nearest(entry, known)}')
            elif entry.key in first:
                former = first[entry.key]
                where = f" in {former.place}" if former.place else ""
                text = f'"{entry.name}" was given before, as "{former.name}"{where}: keep one of them'
                self.problems.append(f"{entry.at}{text}")
            else:
                first[entry.key] = entry
                self._take(entry, field)

    def _take(self, entry: _Entry, field: attrs.Attribute[Any]) -> None:
        try:
            self.values[field.name] = _value(field, entry.values)
        except ValueError as problem:
            self.refused.add(field.name)
            reason = _reason(problem, field.metadata["allowed"])
            shown = "the value" if field.metadata["secret"] else _shown(entry.values[-1])
            self.problems.append(f"{entry.at}{entry.name}: {shown} {_CREDENTIALS.sub('…@', reason)}")


def _value(field: attrs.Attribute[Any], readings: Sequence[Any]) -> Any:
    """Return the first good reading. An empty one is good if the default is None.

    Raises:
        ValueError: No reading is good. It says why the last one is not.
    """
    reading, *others = readings
    try:
        return None if reading is None and field.default is None else field.metadata["check"](reading)
    except ValueError:
        if not others:
            raise
        return _value(field, others)


def _nearest(entry: _Entry, known: Mapping[str, attrs.Attribute[Any]]) -> str:
    hint = did_you_mean(entry.key, known)
    for key, field in known.items():
        hint = hint.replace(f'"{key}"', f'"{entry.spelling(field)}"')
    return hint or f"; known are {', '.join(map(entry.spelling, known.values()))}"


def _shown(value: Any) -> str:
    shown = "(empty)" if value is None else _CREDENTIALS.sub("…@", repr(value))
    return shown if len(shown) <= 80 else f"{shown[:77]}…"


def _reason(problem: ValueError, allowed: str) -> str:
    return f"{problem}; allowed is {allowed}" if str(problem) else f"is not allowed; allowed is {allowed}"
