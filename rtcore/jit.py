"""How kernels are compiled: no Python exceptions for arithmetic, no GIL, cached on disk.

``NUMBA_CACHE_DIR`` must point at a folder of this very code version before this module is
imported (``hil.kernel_cache`` sees to it): numba does not notice changes in functions that
live in another file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

NAN_SAFE_FASTMATH = {"contract", "reassoc", "nsz"}
"""Not ``fastmath=True``: that deletes NaN tests."""


def kernel(function: F) -> F:
    """Compile a kernel with IEEE arithmetic."""
    return njit(cache=True, nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]


def fast_kernel(function: F) -> F:
    """Compile a kernel whose sums may be reordered and contracted; NaN tests still hold."""
    return njit(cache=True, nogil=True, error_model="numpy", fastmath=NAN_SAFE_FASTMATH)(function)  # type: ignore[no-any-return]
