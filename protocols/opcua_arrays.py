"""Many points in one OPC UA variable: an array of values that belong together, or a ranking of them.

A member that is Bad is NaN. Arrays nobody subscribes to cost nothing: they are made when they are read.
"""

from __future__ import annotations

import dataclasses as dc
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from asyncua import ua
from asyncua.server.address_space import AddressSpace

from protocols.opcua_array_list import Array, Arrays, Ranking
from protocols.opcua_build import node_id
from protocols.opcua_publish import MonitoredItems, utc
from rtcore.quality import BAD_FROM

Floats = npt.NDArray[np.float64]
Qualities = npt.NDArray[np.uint8]
_GOOD = ua.StatusCode()


@dc.dataclass(slots=True)
class _Image:
    """The last sweep."""

    values: Floats
    quality: Qualities
    utc_ns: int


class LiveArrays:
    """The arrays of one server.

    Parameters
    ----------
    index : mapping
        Tag -> place of its point.
    """

    def __init__(self, arrays: Arrays, index: Mapping[str, int], aspace: AddressSpace) -> None:
        self._image = _Image(np.zeros(len(index)), np.full(len(index), BAD_FROM, np.uint8), 0)
        self._shown: list[_Shown] = [_Values(a, index) for a in arrays.arrays]
        for ranking in arrays.rankings:
            order = _Order(ranking, index)
            self._shown += [_Ranked(order), _RankedTags(order)]
        for shown in self._shown:
            record = aspace[node_id(shown.key)].attributes[ua.AttributeIds.Value]
            record.value_callback = self._reader_of(shown)
            shown.callbacks = record.datachange_callbacks

    def swept(self, values: Floats, quality: Qualities, utc_ns: int) -> None:
        """Take the image of a sweep; tell those who subscribed what changed."""
        self._image = _Image(values, quality, utc_ns)
        for shown in self._shown:
            if not shown.callbacks:
                shown.seen = None
                continue
            news = shown.of(self._image)
            if shown.seen is not None and _is_same(shown.seen, news):
                continue
            shown.seen = news
            data = self._data(shown, news)
            for handle, callback in shown.callbacks.items():
                items: MonitoredItems = callback.__self__
                items.notify(handle, data)

    def _reader_of(self, shown: _Shown) -> Any:
        def read(_node: Any, _attribute: Any) -> Any:
            return self._data(shown, shown.of(self._image))

        return read

    def _data(self, shown: _Shown, content: Floats | list[str]) -> Any:
        values = content if isinstance(content, list) else content.tolist()
        stamp = utc(self._image.utc_ns)
        return ua.DataValue(ua.Variant(values, shown.variant_type, is_array=True), _GOOD, stamp, stamp)


class _Shown(ABC):
    """One variable."""

    variant_type = ua.VariantType.Double

    def __init__(self, key: str) -> None:
        self.key = key
        self.callbacks: Mapping[int, Any] = {}
        self.seen: Floats | list[str] | None = None

    @abstractmethod
    def of(self, image: _Image) -> Floats | list[str]:
        """Return what it shows."""


class _Values(_Shown):
    def __init__(self, array: Array, index: Mapping[str, int]) -> None:
        super().__init__(array.key)
        self._at = np.array([index[tag] for tag in array.members], np.intp)
        self._factor: Floats = np.array(array.factors)

    def of(self, image: _Image) -> Floats:
        return _known(image, self._at) * self._factor


class _Order:
    """A ranking; both of its variables look at the same image."""

    def __init__(self, ranking: Ranking, index: Mapping[str, int]) -> None:
        self.ranking = ranking
        self._at = np.array([index[tag] for tag in ranking.members], np.intp)

    def of(self, image: _Image) -> tuple[Floats, list[str]]:
        """Return values and names, the largest first; what is Bad has no place."""
        values = _known(image, self._at)
        order = np.argsort(-np.abs(values), kind="stable")[: self.ranking.n]
        order = order[np.isfinite(values[order])]
        return values[order], [self.ranking.names[k] for k in order.tolist()]


class _Ranked(_Shown):
    def __init__(self, order: _Order) -> None:
        super().__init__(order.ranking.value_key)
        self._order = order

    def of(self, image: _Image) -> Floats:
        return self._order.of(image)[0]


class _RankedTags(_Shown):
    variant_type = ua.VariantType.String

    def __init__(self, order: _Order) -> None:
        super().__init__(order.ranking.name_key)
        self._order = order

    def of(self, image: _Image) -> list[str]:
        return self._order.of(image)[1]


def _known(image: _Image, at: npt.NDArray[np.intp]) -> Floats:
    known: Floats = np.where(image.quality[at] < BAD_FROM, image.values[at], np.nan)
    return known


def _is_same(old: Floats | list[str], new: Floats | list[str]) -> bool:
    if isinstance(old, list) or isinstance(new, list):
        return old is new or (isinstance(old, list) and old == new)
    return np.array_equal(old, new, equal_nan=True)
