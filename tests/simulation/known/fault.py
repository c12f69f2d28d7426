"""What a known fault is, and how it is put back."""

from __future__ import annotations
import __future__

import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FunctionType
from typing import Any

import attrs

from tests.simulation.run import run


class PlaceGone(Exception):
    """The product no longer has what a known fault changes."""


@attrs.frozen
class Edit:
    """A change of the text of one function.

    Attributes:
        owner: The class or module that has the function.
        name: The function.
        old: A piece of its text, which is there exactly once, in as many lines as need be.
        new: What stands there instead.
    """

    owner: Any
    name: str
    old: str
    new: str

    @contextmanager
    def made(self) -> Iterator[None]:
        """Have it made meanwhile.

        Raises:
            PlaceGone: There is no such function, or it has no such text.
        """
        before = vars(self.owner).get(self.name)
        if before is None:
            raise PlaceGone(f"{self.owner.__name__} has no {self.name}")
        setattr(self.owner, self.name, self._changed(before))
        try:
            yield
        finally:
            setattr(self.owner, self.name, before)

    def _changed(self, function: Any) -> Any:
        original: FunctionType = inspect.unwrap(function)
        text = textwrap.dedent(inspect.getsource(original))
        if text.count(self.old) != 1:
            raise PlaceGone(f"{self.owner.__name__}.{self.name} has this {text.count(self.old)} times: {self.old}")
        module = sys.modules[original.__module__]
        made: dict[str, Any] = {}
        code = compile(
            text.replace(self.old, self.new),
            f"<{self.name}, with a fault>",
            "exec",
            flags=__future__.annotations.compiler_flag,
            dont_inherit=True,
        )
        exec(code, vars(module), made)
        return made[self.name]


@attrs.frozen(kw_only=True)
class Known:
    """A fault that was there once.

    Attributes:
        name: What to call it.
        edits: What puts it back.
        seen: What the violation says by which it is found: a regular expression.
        within: In how many seeds, from 1 on, it is found.
        seed: One of those that find it.
    """

    name: str
    edits: Sequence[Edit]
    seen: str
    within: int
    seed: int

    @contextmanager
    def put_back(self) -> Iterator[None]:
        """Have the fault meanwhile."""
        with ExitStack() as stack:
            for edit in self.edits:
                stack.enter_context(edit.made())
            yield

    def is_found(self, seed: int) -> bool:
        """Run a seed with the fault, and return whether it is seen as it should be."""
        with self.put_back():
            return any(re.search(self.seen, violation) for violation in run(seed).violations)

    def found_by(self, seeds: Iterable[int]) -> int | None:
        """Return the first of some seeds that finds the fault, None if none does."""
        return next((seed for seed in seeds if self.is_found(seed)), None)
