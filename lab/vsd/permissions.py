"""What a user sees, and may do.

The provider's users may do everything. Another user sees what is of the own enterprise, and may do everything there;
but where a domain or a zone has permissions, only what one of them permits to the user, a group of the user's, or the
enterprise.
"""

from __future__ import annotations

from lab.vsd.directory import Directory, Thing
from lab.vsd.refusals import Refusal
from lab.vsd.seed import PROVIDER

#: From the least to the most.
_RANKS = ("READ", "USE", "EXTEND", "INSTANTIATE", "DEPLOY", "ALL")
READ, USE, ALL = "READ", "USE", "ALL"


class Permissions:
    """Knows who may do what.

    Args:
        directory: What exists.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def is_provider(self, user: Thing) -> bool:
        """Tell whether a user is the provider's."""
        enterprise = user.within("enterprise")
        return enterprise is not None and enterprise.name == PROVIDER

    def action(self, user: Thing, thing: Thing) -> str | None:
        """Return the most that a user may do with an object, None if the user does not even see it."""
        if self.is_provider(user) or thing.is_a("sharednetworkresource"):
            return ALL
        enterprise = thing.within("enterprise")
        if enterprise is None or enterprise is not user.within("enterprise"):
            return None
        for place in (thing, *thing.above()):
            # A domain's list has those of its zones too.
            own = [each for each in self._directory.below(place, "permissions").values() if each.parent is place]
            if own and place.is_a("zone", "domain", "l2domain"):
                return self._granted(user, own)
        return ALL

    def demand(self, user: Thing, thing: Thing, action: str) -> None:
        """Make sure that a user may do something with an object.

        Raises:
            Refusal: It is not permitted.
        """
        granted = self.action(user, thing)
        if granted is None or _RANKS.index(granted) < _RANKS.index(action):
            description = f'User "{user.name}" may not {action} {thing.kind.entity} "{thing.name}"'
            raise Refusal("Permission denied", description, code=None, status=403)

    def _granted(self, user: Thing, permissions: list[Thing]) -> str | None:
        enterprise = user.within("enterprise")
        holders = {user.id, *user.members["groups"], *([enterprise.id] if enterprise else [])}
        granted = [each["permittedAction"] for each in permissions if each["permittedEntityID"] in holders]
        return max(granted, key=_RANKS.index, default=None)
