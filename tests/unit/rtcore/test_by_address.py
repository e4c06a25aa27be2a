"""Tuples that lie in memory, as compiled functions see them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from numba import cfunc, njit, typeof, types
from numba.core.registry import cpu_target

from rtcore.by_address import call_at, words_of


class Inner(NamedTuple):
    scale: float
    rows: np.ndarray[Any, Any]


class Outer(NamedTuple):
    a: np.ndarray[Any, Any]
    table: np.ndarray[Any, Any]
    inner: Inner
    n: int
    every_other: np.ndarray[Any, Any]


def outer() -> Outer:
    rows = np.zeros(2, [("x", np.float64), ("k", np.int32)])
    rows["x"], rows["k"] = [0.5, 1.5], [3, 4]
    return Outer(np.arange(3.0), np.arange(6.0).reshape(2, 3), Inner(2.5, rows), 7, np.arange(10)[::2])


def look(o, out, k, factor):  # type: ignore[no-untyped-def]
    found = out.found
    found[0] = o.a[2] * factor
    found[1] = o.table[1, 0] + o.table.shape[1]
    found[2] = o.inner.scale + o.inner.rows[k]["x"] + o.inner.rows[k]["k"]
    found[3] = o.n
    found[4] = o.every_other.sum()
    o.a[0] = -1.0


class Found(NamedTuple):
    found: np.ndarray[Any, Any]


@njit
def through(address, a, b, k, factor):  # type: ignore[no-untyped-def]
    call_at(address, a, b, k, factor)


def test_a_compiled_function_reads_and_writes_the_arrays_themselves() -> None:
    o, out = outer(), Found(np.zeros(5))
    signature = types.void(types.CPointer(typeof(o)), types.CPointer(typeof(out)), types.int64, types.int64)
    function = cfunc(signature, nopython=True)(look)
    a, b = words_of(o), words_of(out)
    through(function.address, a.ctypes.data, b.ctypes.data, 1, 10)
    assert out.found.tolist() == [20.0, 3.0 + 3.0, 2.5 + 1.5 + 4.0, 7.0, 0.0 + 2 + 4 + 6 + 8]
    assert o.a[0] == -1.0


def test_words_are_as_many_as_numba_reserves() -> None:
    o, context = outer(), cpu_target.target_context
    assert len(words_of(o)) * 8 == context.get_abi_sizeof(context.get_data_type(typeof(o)))


@pytest.mark.parametrize("other", [True, "text", None, np.int32(1)])
def test_what_would_not_fill_a_word_is_refused(other: object) -> None:
    with pytest.raises(AssertionError, match="has no place"):
        words_of((np.zeros(1), other))
