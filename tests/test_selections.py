"""Which of the end-to-end tests run with which Docker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import TestCase, TestSuite

from twisted.trial.unittest import SynchronousTestCase

from tests.e2e import in_short, of_docker

ALL = {path.stem for path in Path(of_docker.__file__).parent.glob("test_*.py")}


def selected(suite: TestSuite | TestCase) -> Iterator[str]:
    """Yield the module of each test of a suite."""
    if isinstance(suite, TestSuite):
        for each in suite:
            yield from selected(each)
    else:
        yield type(suite).__module__.removeprefix("tests.e2e.")


class SelectionTests(SynchronousTestCase):
    """What trial is given for each."""

    def test_what_depends_on_docker(self) -> None:
        """Whatever is not known to depend on something else. A name that no module has leaves none out."""
        self.assertEqual({*of_docker.OTHERS} - ALL, set())
        self.assertEqual({*selected(of_docker.test_suite())}, ALL - {*of_docker.OTHERS})

    def test_in_short(self) -> None:
        """All the modules that are named, which depend on Docker."""
        self.assertEqual({*selected(in_short.test_suite())}, {*in_short.MODULES})
        self.assertEqual({*in_short.MODULES} & {*of_docker.OTHERS}, set())
