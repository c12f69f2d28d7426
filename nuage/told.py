"""What has been logged already, so that something that goes on for hours is logged once."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable

#: Uuids, ids of networks and endpoints, and what names of links have of them: they differ while the reason is the same.
_IDS = re.compile(r"[0-9a-f]{8,}(-[0-9a-f]{4,})*")

#: Subjects that are remembered. Their names may come from outside.
_MOST = 1000


class Told:
    """The reasons that were logged, by subject."""

    def __init__(self) -> None:
        self._reasons: dict[Hashable, set[str]] = {}

    def __bool__(self) -> bool:
        """Whether anything is remembered."""
        return bool(self._reasons)

    def is_new(self, subject: Hashable, reason: str = "") -> bool:
        """Tell whether this has to be logged, and remember it as logged. Ids in a reason make no difference."""
        if len(self._reasons) >= _MOST and subject not in self._reasons:
            self._reasons.clear()
        reasons = self._reasons.setdefault(subject, set())
        anonymous = _IDS.sub("…", reason)
        new = anonymous not in reasons
        reasons.add(anonymous)
        return new

    def knows(self, subject: Hashable) -> bool:
        """Tell whether anything was logged about the subject."""
        return subject in self._reasons

    def keep(self, subjects: Collection[Hashable]) -> None:
        """Forget all other subjects: if one of them comes up again, it is news."""
        self._reasons = {subject: reasons for subject, reasons in self._reasons.items() if subject in subjects}

    def clear(self) -> None:
        """Forget everything."""
        self._reasons.clear()
