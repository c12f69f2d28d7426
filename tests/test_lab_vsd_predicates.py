"""The filters of the lab's VSD."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from lab.vsd.predicates import parse
from lab.vsd.refusals import Refusal

KNOWN = ("name", "externalID", "number", "flag", "nothing")
VALUES = {"name": "Subnet 2", "externalID": "host-1", "number": 5, "flag": True, "nothing": None}


class PredicateTests(SynchronousTestCase):
    """What is meant, and what cannot be read."""

    def test_what_is_meant(self) -> None:
        """Each operator, alone and together."""
        for text, expected in (
            ('name == "Subnet 2"', True),
            ("name IS 'Subnet 2'", True),
            ("name = 'Subnet'", False),
            ("name != 'x'", True),
            ("name <> 'Subnet 2'", False),
            ("name BEGINSWITH 'Sub'", True),
            ("name beginswith 'sub'", False),
            ("name BEGINSWITH[c] 'sub'", True),
            ("name ENDSWITH '2'", True),
            ("name CONTAINS 'net'", True),
            ("name LIKE 'S*2'", True),
            ("name LIKE '*3'", False),
            ("nothing == null", True),
            ("nothing IS NOT NULL", False),
            ("name IS NOT NULL", True),
            ("nothing CONTAINS 'x'", False),
            ("number > 4", True),
            ("number >= 5.5", False),
            ("number<6", True),
            ("number < 'x'", False),
            ("flag == true", True),
            ("name == 'x' or number == 5", True),
            ("name == 'x' or number == 5 and flag == false", False),
            ("(name == 'x' or number == 5) && flag == TRUE", True),
            ("not name == 'x' and !(number == 6 || flag == NO)", True),
        ):
            self.assertIs(bool(parse(text, KNOWN).accepts(VALUES)), expected, text)

    def test_what_all_have(self) -> None:
        """It is known which values all have that are meant."""
        for text, expected in (
            ("name == 'x'", {"name": "x"}),
            ("name == 'x' and (number = 5 and flag != true)", {"name": "x", "number": 5}),
            ("name == 'x' or number == 5", {}),
            ("not name == 'x'", {}),
            ("name ==[c] 'x'", {}),
            ("name BEGINSWITH 'x'", {}),
        ):
            self.assertEqual(parse(text, KNOWN).equal, expected, text)

    def test_what_cannot_be_read(self) -> None:
        """The refusal tells why."""
        for text, reason in (
            ("", "an attribute is missing"),
            ("name", "an operator is missing"),
            ("name ==", "a value is missing"),
            ("name == x", '"x" is not a value'),
            ("name == 'x", "nothing can be made of"),
            ("other == 'x'", '"other" is not an attribute'),
            ("'name' == 'x'", "is not an attribute"),
            ("name about 'x'", '"about" is not an operator'),
            ("(name == 'x'", "a parenthesis is not closed"),
            ("name == 'x')", '")" is not expected'),
            ("name == 'x' number == 5", '"number" is not expected'),
            ("(" * 3000, "too many parentheses"),
        ):
            self.assertIn(reason, str(self.assertRaises(Refusal, parse, text, KNOWN)), text)

    @given(st.text())
    def test_any_value(self, value: str) -> None:
        """A quoted value is found, whatever it is."""
        for quote in "\"'":
            escaped = value.replace("\\", "\\\\").replace(quote, f"\\{quote}")
            self.assertTrue(parse(f"name == {quote}{escaped}{quote}", KNOWN).accepts({"name": value}))

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Any text is read, or refused."""
        with contextlib.suppress(Refusal):
            parse(text, KNOWN).accepts(VALUES)
