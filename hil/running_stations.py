"""Which stations run on this machine, and which of them is meant."""

from __future__ import annotations

from pathlib import Path

from hil.run_dir import live_run_dirs, state_root
from hil.runspec import RunSpec
from rtcore.errors import HostError


def running_stations() -> list[RunSpec]:
    """Return the runs of this user's stations."""
    return [RunSpec.load(d / "spec.json") for d in live_run_dirs() if (d / "spec.json").is_file()]


def here(specs: list[RunSpec]) -> list[RunSpec]:
    """Return those that keep their records where this command would; all of them where none does."""
    return [s for s in specs if s.state_dir.parent == state_root()] or specs


def running_station(path: Path, name: str) -> RunSpec:
    """Return the run of a station file.

    Parameters
    ----------
    path : Path
        The station file.
    name : str
        What the user calls it.

    Raises
    ------
    HostError
        It does not run, or several times.
    """
    there = running_stations()
    found = here([s for s in there if Path(s.core["station"]).resolve() == path.resolve()])
    if len(found) > 1:
        raise HostError(f"station {name!r} runs {len(found)} times; stop all but one")
    if not found:
        # files, where names alone would say that the same one runs and does not
        others = ", ".join(s.core["station"] if s.name == path.stem else s.name for s in there) or "none"
        raise HostError(
            f"station {name!r} does not run (running: {others}); start it with: gridhil run {name}"
        )
    return found[0]
