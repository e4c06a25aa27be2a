"""What can go wrong in a run that is nobody's mistake in the plan, with the run's name."""

from __future__ import annotations

import traceback
from pathlib import Path

from rtcore.errors import GridhilError, HostError


class RunError(GridhilError):
    """A run ended by an error of this program or its numerics, not of the plan, the host or a worker."""


def named(run: str, error: Exception) -> GridhilError:
    """Return what a run's exception is to its study: the run, the error, where it came from."""
    if isinstance(error, OSError | MemoryError):
        return HostError(f"{run}: {str(error) or 'out of memory'}")
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return RunError(f"{run}: it failed: {str(error) or 'no further word'}{place}")
