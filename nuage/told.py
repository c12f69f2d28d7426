"""What has been logged already, so that what goes on for hours is told once."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable

#: Uuids, and ids of networks and endpoints or what names of links have of them: they differ where the reason does not.
_IDS = re.compile(r"[0-9a-f]{8,}(-[0-9a-f]{4,})*")

#: Subjects that are remembered. Their names may come from outside.
_MOST = 1000


class Told:
    """The reasons that were told, by what they are about."""

    def __init__(self) -> None:
        self._reasons: dict[Hashable, set[str]] = {}

    def __bool__(self) -> bool:
        """Whether anything is remembered."""
        return bool(self._reasons)

    def is_new(self, subject: Hashable, reason: str = "") -> bool:
        """Tell whether this has to be told, and remember it as told. Ids inside of a reason make no difference."""
        if len(self._reasons) >= _MOST and subject not in self._reasons:
            self._reasons.clear()
        reasons = self._reasons.setdefault(subject, set())
        anonymous = _IDS.sub("…", reason)
        new = anonymous not in reasons
        reasons.add(anonymous)
        return new

    def knows(self, subject: Hashable) -> bool:
        """Tell whether anything was told about the subject."""
        return subject in self._reasons

    def keep(self, subjects: Collection[Hashable]) -> None:
        """Forget what is about anything else: where that comes again it is news."""
        self._reasons = {subject: reasons for subject, reasons in self._reasons.items() if subject in subjects}

    def clear(self) -> None:
        """Forget everything."""
        self._reasons.clear()
