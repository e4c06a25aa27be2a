"""Arrays of points that a server shows: what they hold, and their nodes. Pure."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterator, Mapping
from typing import Any

from protocols import opcua_space as space
from protocols.opcua_space import Items, Node
from rtcore.units import UNITS

FOLDER = "arrays"


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """Values of some points, in a fixed order.

    Attributes
    ----------
    members : tuple of str
        Tags.
    factors : tuple of float
        What each point is multiplied by to be in ``unit``.
    distances : tuple of float
        Of each member from the source [km]; empty where that means nothing.
    """

    name: str
    description: str
    unit: str
    members: tuple[str, ...]
    factors: tuple[float, ...]
    distances: tuple[float, ...] = ()

    @property
    def key(self) -> str:
        """Identifier of its node."""
        return f"{FOLDER}.{self.name}"


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The points with the largest magnitude: one array has the values, another what they are of.

    Attributes
    ----------
    members, names : tuple of str
        Tags, and what each stands for.
    n : int
        Most that are shown.
    """

    name: str
    description: str
    value_name: str
    members: tuple[str, ...]
    names: tuple[str, ...]
    n: int

    @property
    def value_key(self) -> str:
        """Identifier of the node of the values."""
        return f"{FOLDER}.{self.name}.{self.value_name}"

    @property
    def name_key(self) -> str:
        """Identifier of the node of the names."""
        return f"{FOLDER}.{self.name}.TAGS"


@dc.dataclass(frozen=True, slots=True)
class Arrays:
    """All arrays of a station."""

    arrays: tuple[Array, ...] = ()
    rankings: tuple[Ranking, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return them as JSON can hold them; ``from_dict`` is the inverse."""
        return dc.asdict(self)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Arrays:
        """Return what ``to_dict`` was given."""
        arrays, rankings = ([_tuples(r) for r in row[key]] for key in ("arrays", "rankings"))
        return cls(tuple(Array(**r) for r in arrays), tuple(Ranking(**r) for r in rankings))


def _tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}


def nodes(station: str, arrays: Arrays) -> Iterator[Node]:
    """Yield a folder and the arrays in it, parents first; nothing where there are none."""
    if not (arrays.arrays or arrays.rankings):
        return
    yield Node(
        key=FOLDER,
        node_class="Object",
        name="Arrays",
        parent=space.root_of(station),
        reference=space.ORGANIZES,
        type_key=space.FOLDER_TYPE,
        description="many points in one variable; NaN where a member is Bad",
    )
    for array in arrays.arrays:
        yield _variable(array.key, array.name, array.description, space.DOUBLE)
        yield _list(array.key, "Members", space.STRING, array.members)
        if array.distances:
            yield _list(array.key, "Distances", space.DOUBLE, array.distances)
        unit = UNITS[array.unit]
        yield space.property_of(array.key, "EngineeringUnits", space.EU_INFORMATION, unit)
    for ranking in arrays.rankings:
        values, names = f"{ranking.name}.{ranking.value_name}", f"{ranking.name}.TAGS"
        yield _variable(ranking.value_key, values, ranking.description, space.DOUBLE)
        yield _variable(ranking.name_key, names, f"what each of {values} is of", space.STRING)


def _variable(key: str, name: str, description: str, data_type: int) -> Node:
    return Node(
        key=key,
        node_class="Variable",
        name=name,
        parent=FOLDER,
        reference=space.HAS_COMPONENT,
        type_key=space.BASE_DATA_VARIABLE_TYPE,
        description=description,
        data_type=data_type,
        is_array=True,
    )


def _list(key: str, name: str, data_type: int, items: tuple[str, ...] | tuple[float, ...]) -> Node:
    node = space.property_of(key, name, data_type, Items(items), is_array=True)
    return dc.replace(node, is_standard_name=False)
