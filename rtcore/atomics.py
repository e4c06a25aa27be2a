"""Ordered memory access and libc time calls for kernels.

On x86-64 acquire loads and release stores are plain moves; what they buy is that the
compiler neither hoists nor reorders them.  ``ExternalFunction`` is found by name and, unlike
a ctypes pointer, leaves kernels cacheable.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from rtcore.jit import kernel

_i32, _iptr = types.int32, types.intp
_clock_gettime = types.ExternalFunction("clock_gettime", _i32(_i32, _iptr))
_clock_nanosleep = types.ExternalFunction("clock_nanosleep", _i32(_i32, _i32, _iptr, _iptr))

CLOCK_REALTIME, CLOCK_MONOTONIC, TIMER_ABSTIME, EINTR = 0, 1, 1, 4


def _pointer(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    base = cgutils.create_struct_proxy(sig.args[0])(context, builder, args[0]).data
    return builder.gep(base, [context.cast(builder, args[1], sig.args[1], types.intp)])


@intrinsic
def load_acquire(typing_context: Any, a: Any, i: Any) -> Any:
    """``a[i]`` of a one-dimensional int64 array, with acquire order."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load_atomic(_pointer(context, builder, sig, args), "acquire", 8)

    return a.dtype(a, i), generate


@intrinsic
def store_release(typing_context: Any, a: Any, i: Any, v: Any) -> Any:
    """``a[i] = v`` of a one-dimensional int64 array, with release order."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = context.cast(builder, args[2], sig.args[2], sig.args[0].dtype)
        builder.store_atomic(value, _pointer(context, builder, sig, args), "release", 8)
        return context.get_dummy_value()

    return types.void(a, i, v), generate


@intrinsic
def fence_release(typing_context: Any) -> Any:
    """Keep later stores after earlier ones."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.fence("release")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def take_fp_flags(typing_context: Any) -> Any:
    """Read and clear the sticky SSE flags: 1 invalid, 4 division by zero, 8 overflow."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        i8p, i32 = ir.IntType(8).as_pointer(), ir.IntType(32)
        fn_type = ir.FunctionType(ir.VoidType(), [i8p])
        store = cgutils.get_or_insert_function(builder.module, fn_type, "llvm.x86.sse.stmxcsr")
        load = cgutils.get_or_insert_function(builder.module, fn_type, "llvm.x86.sse.ldmxcsr")
        slot = cgutils.alloca_once(builder, i32)
        pointer = builder.bitcast(slot, i8p)
        builder.call(store, [pointer])
        word = builder.load(slot)
        builder.store(builder.and_(word, ir.Constant(i32, 0xFFFFFFC0)), slot)
        builder.call(load, [pointer])
        return builder.and_(word, ir.Constant(i32, 0x0D))

    return types.int32(), generate


@kernel
def now_ns(clock, timespec):  # type: ignore[no-untyped-def]
    """Time of a clock [ns]; ``timespec``: private int64[2]."""
    _clock_gettime(clock, timespec.ctypes.data)
    return timespec[0] * 1_000_000_000 + timespec[1]


@kernel
def sleep_until(t_ns, timespec):  # type: ignore[no-untyped-def]
    """Sleep to an absolute CLOCK_MONOTONIC time [ns]; signals do not shorten it."""
    timespec[0] = t_ns // 1_000_000_000
    timespec[1] = t_ns % 1_000_000_000
    while _clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, timespec.ctypes.data, 0) == EINTR:
        pass
