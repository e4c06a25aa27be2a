"""What turns a plant: its compiled step, and the arrays that loops fill themselves."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import cfunc, typeof, types

from rtcore.by_address import call_at, words_of
from rtcore.instruments import PointArrays
from rtcore.jit import kernel
from rtcore.network.grid_arrays import Floats
from rtcore.plant.harmonics import Harmonics
from rtcore.shared_kernels import drain
from rtcore.step import step_at
from rtcore.world import K_COMMANDS, Rows, Words, World


class Drive(NamedTuple):
    """One plant as loops take it; the world and its harmonic scan must outlive it."""

    step: int
    """Address of the compiled step."""
    world: Words
    harmonics: Words
    """Both as they lie in memory (``rtcore.by_address``)."""
    points: PointArrays
    x: Floats
    events: Words
    group: Words
    counters: Words
    times: Words
    loop: Rows
    image: Words
    values: Floats
    quality: npt.NDArray[np.uint8]


def drive_of(world: World, harmonics: Harmonics) -> Drive:
    """Return the drive of a plant; compiles the step, or loads it, for plants made like this one."""
    return Drive(
        step=_compiled(typeof(world), typeof(harmonics)).address,
        world=words_of(world),
        harmonics=words_of(harmonics),
        points=world.points,
        x=world.x,
        events=world.events,
        group=world.group,
        counters=world.counters,
        times=world.times,
        loop=world.loop,
        image=world.image,
        values=world.values,
        quality=world.quality,
    )


@functools.cache
def _compiled(world: Any, harmonics: Any) -> Any:
    signature = types.void(types.CPointer(world), types.CPointer(harmonics), types.int64, types.int64)
    return cfunc(signature, cache=True, nopython=True, error_model="numpy")(step_at)


@kernel
def take_commands(drive, commands, verdicts, now_ns, step, utc_ns, cause):  # type: ignore[no-untyped-def]
    """Apply what one producer's ring holds for this step; returns how many commands were applied."""
    d = drive
    done = drain(commands, verdicts, d.points, d.x, now_ns, step, utc_ns, d.events, cause, d.group)
    d.counters[K_COMMANDS] += done
    return done


@kernel
def take_step(drive, step, utc_ns):  # type: ignore[no-untyped-def]
    """Advance the plant by one step and fill its image (not yet published)."""
    call_at(drive.step, drive.world.ctypes.data, drive.harmonics.ctypes.data, step, utc_ns)
