"""A tuple of arrays that lies in memory, and a call through the address of a compiled function.

numba links all that a kernel calls into it and passes a tuple array by array. For a plant of some
hundred arrays each caller of its step would cost half a minute of compiling, and each call the
copying of three thousand words; through addresses a caller compiles in a second.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic


def words_of(value: Any) -> npt.NDArray[np.int64]:
    """Return nested tuples of arrays, int and float as they lie in memory to numba.

    Addresses are noted, not arrays: whoever uses the words keeps the arrays alive.
    """
    return np.array(_words(value), np.int64)


def _words(value: Any) -> list[int]:
    if isinstance(value, np.ndarray):  # its two owners, size, bytes an item, address, shape, strides
        return [0, 0, value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides]
    if isinstance(value, tuple):
        return [word for part in value for word in _words(part)]
    if isinstance(value, float):
        return list(struct.unpack("q", struct.pack("d", value)))
    assert type(value) is int, f"{type(value).__name__} has no place among the plant's arrays"
    return [value]


@infer_getattr
class _FieldType(AttributeTemplate):  # type: ignore[misc]
    """In kernels ``pointer.field`` of a pointer to a named tuple is that field of it, loaded."""

    key = types.CPointer

    def generic_resolve(self, pointer: Any, name: str) -> Any:
        if isinstance(pointer.dtype, types.BaseNamedTuple) and name in pointer.dtype.fields:
            return pointer.dtype.types[pointer.dtype.fields.index(name)]
        return None


@lower_getattr_generic(types.CPointer)
def _load_field(context: Any, builder: Any, pointer: Any, value: Any, name: str) -> Any:
    i = pointer.dtype.fields.index(name)
    at = cgutils.gep_inbounds(builder, value, 0, i)
    return context.data_model_manager[pointer.dtype.types[i]].load_from_data_pointer(builder, at)


@intrinsic
def call_at(typing_context: Any, function: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Call the function of four int64 at an address; it returns nothing."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        word = ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [word] * 4)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), generate
