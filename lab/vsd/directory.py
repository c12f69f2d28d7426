"""What exists: objects, what they are below, what is assigned to what; and who hears of changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from lab.vsd.kinds import BY_ENTITY, MEMBERS, OF_VPORT, ROOT, Kind

#: What happened to an object, in the words of the push channel.
CREATE, UPDATE, DELETE = "CREATE", "UPDATE", "DELETE"


@attrs.define(eq=False, kw_only=True)
class Thing:
    """An object.

    ``values`` are what its attributes have been given. ``parent`` is what it was made under. An interface is in a
    second place too, at its vPort. ``hidden`` are values that the API does not know.
    """

    kind: Kind
    id: str
    parent: Thing | None
    place: Thing | None = None
    values: dict[str, Any] = attrs.field(factory=dict)
    hidden: dict[str, Any] = attrs.field(factory=dict)
    members: defaultdict[str, dict[str, Thing]] = attrs.field(factory=lambda: defaultdict(dict))

    @property
    def name(self) -> str:
        """Its name, or its ID if its kind has none."""
        return str(self.values.get("name") or self.values.get("userName") or self.id)

    def __getitem__(self, attribute: str) -> Any:
        return self.values.get(attribute)

    def is_a(self, *entities: str) -> bool:
        """Tell whether it is of one of the kinds."""
        return self.kind.entity in entities

    def above(self) -> Iterator[Thing]:
        """Yield everything that it is below, the nearest first; some may come twice."""
        for upper in (self.place, self.parent):
            if upper is not None:
                yield upper
                yield from upper.above()

    def within(self, *entities: str) -> Thing | None:
        """Return the nearest of some kinds that it is below, or is."""
        return next((thing for thing in (self, *self.above()) if thing.is_a(*entities)), None)


@attrs.frozen
class Change:
    """Something that happened: what, to which object, and the ID of the user who did it."""

    type: str
    thing: Thing
    by: str


class Directory:
    """All objects. It keeps no rules: see lab.vsd.rules.

    Args:
        now: Tells the time, in seconds since the epoch.
        new_id: Returns the ID of a new object.
    """

    def __init__(self, now: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._now = now
        self.new_id = new_id
        self._below: defaultdict[tuple[str, str], dict[str, Thing]] = defaultdict(dict)
        self._unique: dict[tuple[str, str, str, Any], Thing] = {}
        self._having: defaultdict[tuple[str, str, Any], dict[str, Thing]] = defaultdict(dict)
        self._watchers: list[Callable[[Change], None]] = []
        self.root = Thing(kind=BY_ENTITY[ROOT], id=ROOT, parent=None)
        self._things: dict[str, Thing] = {}

    def watch(self, hear: Callable[[Change], None]) -> None:
        """Have something called at each change."""
        self._watchers.append(hear)

    def get(self, identity: object) -> Thing | None:
        """Return the object with an ID."""
        return self._things.get(identity) if isinstance(identity, str) else None

    def of(self, entity: str, identity: object) -> Thing | None:
        """Return the object of a kind with an ID."""
        found = self.get(identity)
        return found if found is not None and found.is_a(entity) else None

    def below(self, upper: Thing, resource: str) -> Mapping[str, Thing]:
        """Return the objects of a kind that are below another one, or assigned to it, by their IDs."""
        vport = upper.within("vport") if (upper.kind.entity, resource) in OF_VPORT else None
        if vport is not None:
            return vport.members[resource]
        if (upper.kind.entity, resource) in MEMBERS:
            return upper.members[resource]
        return self._below.get((upper.id, resource), {})

    def find(self, upper: Thing, resource: str, equal: Mapping[str, Any]) -> list[Thing]:
        """Return the objects of a kind that are below another one.

        Args:
            upper: The other one.
            resource: The kind's.
            equal: Values of filterable attributes; others than those that have the first of them may be left out.
        """
        things = self.below(upper, resource)
        for name, value in equal.items():
            # The first one will do: few have it.
            having = self._having.get((resource, name, value), {}).values()
            return [thing for thing in having if thing.id in things]
        return list(things.values())

    def named(self, upper: Thing, resource: str, name: object, attribute: str = "name") -> Thing | None:
        """Return the object that was made under another one and has a name that is unique there."""
        return self._unique.get((upper.id, resource, attribute, name))

    def holder(self, kind: Kind, parent: Thing, attribute: str, value: Any) -> Thing | None:
        """Return who has the value of an attribute that has to be unique."""
        scope = self.root if attribute in kind.unique_everywhere else parent
        return self._unique.get((scope.id, kind.resource, attribute, value))

    def add(
        self,
        kind: Kind,
        parent: Thing,
        values: Mapping[str, Any],
        *,
        by: str = "",
        place: Thing | None = None,
        identity: str = "",
        **hidden: Any,
    ) -> Thing:
        """Make an object.

        Args:
            kind: Its kind.
            parent: What it is made under.
            values: What its attributes are; those that are missing have their defaults.
            by: ID of the user who makes it.
            place: Its second place.
            identity: Its ID, if that follows from something.
            hidden: Its hidden values.
        """
        thing = Thing(kind=kind, id=identity or self.new_id(), parent=parent, place=place, hidden=hidden)
        now = self._milliseconds()
        thing.values = {
            **{name: attribute.default for name, attribute in kind.attributes.items()},
            **values,
            "ID": thing.id,
            "parentID": None if parent is self.root else parent.id,
            "parentType": None if parent is self.root else parent.kind.entity,
            "owner": by,
            "lastUpdatedBy": by,
            "creationDate": now,
            "lastUpdatedDate": now,
        }
        self._things[thing.id] = thing
        self._enter(thing)
        self._index(thing)
        self._tell(CREATE, thing, by)
        return thing

    def change(self, thing: Thing, values: Mapping[str, Any], *, by: str = "") -> None:
        """Give attributes of an object other values."""
        self._forget(thing)
        thing.values |= {**values, "lastUpdatedBy": by, "lastUpdatedDate": self._milliseconds()}
        self._index(thing)
        self._tell(UPDATE, thing, by)

    def remove(self, thing: Thing, *, by: str = "") -> None:
        """Remove an object and everything that is below it."""
        for lower in self.children(thing):
            self.remove(lower, by=by)
        if self._things.pop(thing.id, None) is None:
            return
        self._forget(thing)
        for resource, others in thing.members.items():
            for other in tuple(others.values()):
                self._part(thing, resource, other)
        self._leave(thing)
        self._tell(DELETE, thing, by)

    def children(self, thing: Thing) -> list[Thing]:
        """Return what was made under an object, or has its place at it."""
        lower = (self._below.get((thing.id, kind.resource), {}).values() for kind in BY_ENTITY.values())
        return [each for every in lower for each in every if thing in (each.parent, each.place)]

    def assign(self, thing: Thing, resource: str, others: Iterable[Thing], *, by: str = "") -> None:
        """Have exactly these objects assigned to another one."""
        wanted = {other.id: other for other in others}
        had = thing.members[resource]
        if wanted.keys() == had.keys():
            return
        for other in [other for identity, other in had.items() if identity not in wanted]:
            self._part(thing, resource, other)
        for other in wanted.values():
            thing.members[resource][other.id] = other
            if (other.kind.entity, thing.kind.resource) in MEMBERS:
                other.members[thing.kind.resource][thing.id] = thing
        self._tell(UPDATE, thing, by)

    def _part(self, thing: Thing, resource: str, other: Thing) -> None:
        thing.members[resource].pop(other.id, None)
        other.members[thing.kind.resource].pop(thing.id, None)

    def _enter(self, thing: Thing) -> None:
        for upper in thing.above():
            self._below[upper.id, thing.kind.resource][thing.id] = thing
        for upper, container in _places_of_container(thing):
            self._below[upper.id, container.kind.resource][container.id] = container

    def _leave(self, thing: Thing) -> None:
        for upper in thing.above():
            self._below[upper.id, thing.kind.resource].pop(thing.id, None)
        for upper, container in _places_of_container(thing):
            self._below[upper.id, container.kind.resource].pop(container.id, None)
        if thing.is_a("containerinterface") and thing.parent is not None:
            for stays in (thing.parent, *self.below(thing.parent, thing.kind.resource).values()):
                self._enter(stays)
        for kind in BY_ENTITY.values():
            self._below.pop((thing.id, kind.resource), None)

    def _index(self, thing: Thing) -> None:
        for key in self._keys(thing):
            self._unique[key] = thing
        for having in _havings(thing):
            self._having[having][thing.id] = thing

    def _forget(self, thing: Thing) -> None:
        for key in self._keys(thing):
            self._unique.pop(key, None)
        for having in _havings(thing):
            self._having[having].pop(thing.id, None)
            if not self._having[having]:
                del self._having[having]

    def _keys(self, thing: Thing) -> Iterator[tuple[str, str, str, Any]]:
        for scope, names in ((thing.parent, thing.kind.unique), (self.root, thing.kind.unique_everywhere)):
            for name in names:
                if scope is not None and thing.values.get(name) is not None:
                    yield scope.id, thing.kind.resource, name, thing.values[name]

    def _tell(self, what: str, thing: Thing, by: str) -> None:
        for hear in self._watchers:
            hear(Change(what, thing, by))

    def _milliseconds(self) -> int:
        return int(self._now() * 1000)


def _havings(thing: Thing) -> Iterator[tuple[str, str, Any]]:
    for name, attribute in thing.kind.attributes.items():
        if attribute.filterable:
            yield thing.kind.resource, name, thing.values.get(name)


def _places_of_container(interface: Thing) -> Iterator[tuple[Thing, Thing]]:
    """Yield where an interface has its container listed, with the container: wherever the interface is."""
    if interface.is_a("containerinterface") and interface.place is not None and interface.parent is not None:
        for upper in (interface.place, *interface.place.above()):
            yield upper, interface.parent
