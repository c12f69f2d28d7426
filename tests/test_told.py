"""What is logged once."""

from __future__ import annotations

from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from nuage import told
from nuage.told import Told

UUID = "0a1b2c3d-0000-4000-8000-0123456789ab"


class Once(SynchronousTestCase):
    """Reasons, by what they are about."""

    def setUp(self) -> None:
        self.told = Told()

    def test_each_reason_of_each_subject(self) -> None:
        """It is new once, until it is forgotten."""
        assert not self.told
        for subject, reason, new in (
            ("a", "no", True),
            ("a", "no", False),
            ("a", "never", True),
            ("b", "no", True),
            ("b", "", True),
            ("b", "", False),
        ):
            assert self.told.is_new(subject, reason) is new, (subject, reason)
        assert (self.told.knows("a"), self.told.knows("c"), bool(self.told)) == (True, False, True)
        self.told.keep({"b", "c"})
        assert (self.told.is_new("a", "no"), self.told.is_new("b", "no")) == (True, False)
        self.told.clear()
        assert self.told.is_new("b", "no")

    def test_ids_make_no_difference(self) -> None:
        """Uuids of rows, ids of endpoints and names of their links; other numbers do."""
        other = UUID.replace("a", "f")
        for one, another, same in (
            (f"row {UUID}", f"row {other}", True),
            (f"endpoint {'a' * 64} of nu{'1' * 13}", f"endpoint {'b' * 64} of nu{'2' * 13}", True),
            ("port 6633", "port 6634", False),
            ("10.21.59.1", "10.21.59.2", False),
        ):
            assert self.told.is_new("", one)
            assert self.told.is_new("", another) is not same

    def test_it_does_not_grow_for_ever(self) -> None:
        """What subjects are called may come from outside."""
        with mock.patch.object(told, "_MOST", 10):
            for number in range(100):
                assert self.told.is_new(number)
                assert not self.told.is_new(number)
            assert len(self.told._reasons) <= 10
