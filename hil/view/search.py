"""Search of points as one types: words in tag or description, units, kinds, ``@role``, ``=quality``."""

from __future__ import annotations

import dataclasses as dc
import re
from collections.abc import Callable, Iterable, Sequence

from hil.view.model import PointInfo

QUALITIES = ("good", "uncertain", "bad", "waiting")
"""What may stand behind ``=``, or how it begins; also ``=-good``: anything but good."""
NEVER = 99


@dc.dataclass(frozen=True, slots=True)
class Query:
    """What somebody looks for; everything must hold, of several roles or qualities one.

    ``qualities`` are grades of ``hil.view.reading``.
    """

    words: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> Query:
        """Read what was typed; nothing that can be typed is an error.

        >>> Query.of("fdr_a  @eng =bad")
        Query(words=('fdr_a',), roles=('eng',), qualities=('bad',))
        >>> Query.of("=-good").qualities
        ('uncertain', 'bad', 'waiting')
        """
        parts = text.lower().split()
        roles = tuple(p[1:] for p in parts if p.startswith("@") and len(p) > 1)
        asked = [p[1:] for p in parts if p.startswith("=") and len(p) > 1]
        qualities = tuple(q for q in QUALITIES if any(_has_quality(q, a) for a in asked))
        words = tuple(p for p in parts if p[0] not in "@=")
        return cls(words, roles, qualities)


def _has_quality(quality: str, asked: str) -> bool:
    if asked.startswith("-"):
        return len(asked) > 1 and not quality.startswith(asked[1:])
    return quality.startswith(asked)


@dc.dataclass(frozen=True, slots=True)
class _Row:
    point: PointInfo
    tag: str
    other: str
    exact: frozenset[str]


class PointIndex:
    """All points, ready to be searched."""

    def __init__(self, points: Iterable[PointInfo]) -> None:
        self._rows = [
            _Row(
                p,
                p.tag.lower(),
                f"{p.description} {p.template} {p.source}".lower(),
                frozenset((p.unit.lower(), p.kind, p.publisher)),
            )
            for p in points
        ]

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, query: Query) -> list[PointInfo]:
        """Return the points for words and roles, best first, those of equal rank in the station's order.

        A tag that holds the letters of the words in their order counts where nothing holds the words
        themselves. Qualities are not looked at: a point does not have one by itself.
        """
        rows = self._rows
        if query.roles:
            rows = [r for r in rows if r.point.is_writable and r.point.role.startswith(query.roles)]
        if not query.words:
            return [r.point for r in rows]
        return _ranked(rows, lambda r: max(_rank(r, w) for w in query.words)) or _ranked(
            rows, _scattered("".join(query.words))
        )


def _ranked(rows: Sequence[_Row], rank: Callable[[_Row], int]) -> list[PointInfo]:
    found = [(k, r.point) for r in rows if (k := rank(r)) < NEVER]
    found.sort(key=lambda pair: pair[0])
    return [point for _, point in found]


def _rank(row: _Row, word: str) -> int:
    at = row.tag.find(word)
    if at == 0:
        return 0
    if at > 0:
        return 1 if row.tag[at - 1] in "._" else 2
    if word in row.exact:
        return 3
    return 4 if word in row.other else NEVER


def _scattered(letters: str) -> Callable[[_Row], int]:
    """Rank by how many letters of the tag lie between the first and the last that was typed."""
    pattern = re.compile(".*?".join(map(re.escape, letters)))

    def rank(row: _Row) -> int:
        found = pattern.search(row.tag)
        return NEVER if found is None else min(found.end() - found.start() - len(letters), NEVER - 1)

    return rank
