"""The four roles of a station's users and their order; pure.

=========== =========================================================================
observer    reads everything, commands nothing
operator    and operates the plant: breakers, setpoints of the process, tags
engineer    and changes settings: protection, controllers
instructor  and puts disturbances on the plant: faults, failures
=========== =========================================================================

Whoever has a role has those before it, too. A point names the least role that may command it. Points of
``STATION`` are set by the station's own processes; no user has that role.
"""

from __future__ import annotations

from collections.abc import Iterable

OBSERVER, OPERATOR, ENGINEER, INSTRUCTOR = ROLES = ("observer", "operator", "engineer", "instructor")
STATION = "station"

_RANK = {role: rank for rank, role in enumerate(ROLES)}


def may(role: str, needed: str) -> bool:
    """Tell whether a role suffices; never where either is no role at all.

    >>> may("engineer", "operator"), may("engineer", "instructor"), may("root", "observer")
    (True, False, False)
    """
    return role in _RANK and needed in _RANK and _RANK[role] >= _RANK[needed]


def highest(roles: Iterable[str], default: str = OBSERVER) -> str:
    """Return the highest of some roles and the default.

    >>> highest(["operator", "engineer"]), highest([])
    ('engineer', 'observer')
    """
    return max((default, *(r for r in roles if r in _RANK)), key=_RANK.__getitem__)


def beyond(role: str, needed: Iterable[str]) -> str:
    """Return the highest of the needed roles that a role does not reach, "" where it reaches all.

    >>> beyond("operator", ["operator", "engineer"])
    'engineer'
    """
    lacking = [n for n in needed if not may(role, n)]
    return max(lacking, key=lambda n: _RANK.get(n, len(ROLES)), default="")
