"""How kernels are compiled: no Python exceptions for arithmetic, no GIL, cached on disk.

``NUMBA_CACHE_DIR`` must point at a folder of this very code version before this module is
imported (``hil.kernel_cache`` sees to it): numba does not notice changes in functions that
live in another file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

NAN_SAFE_FASTMATH = {"contract", "reassoc", "nsz"}
"""Not ``fastmath=True``: that deletes NaN tests."""


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel with IEEE arithmetic (typed Any: its types are those it is called with)."""
    return njit(cache=True, nogil=True, error_model="numpy")(function)


def fast_kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel whose sums may be reordered and contracted; NaN tests still hold."""
    return njit(cache=True, nogil=True, error_model="numpy", fastmath=NAN_SAFE_FASTMATH)(function)
