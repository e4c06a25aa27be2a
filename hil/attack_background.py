"""A stealthy attack's change, computed beside the values that it is added to.

An estimate takes tens of milliseconds, and nothing between a plant and its readers may wait for one. The
change moves slowly, with the load: one that is a moment old does.
"""

from __future__ import annotations

import dataclasses as dc
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from estimation.attacks import Attack, Delta, Floats

PAUSE_S = 0.25
"""Between two computations [s]."""


class Background:
    """Wraps a ``delta``: gives the last result, and lets a thread compute the next one."""

    def __init__(self, delta: Delta, pause_s: float = PAUSE_S) -> None:
        self._delta, self._pause_s = delta, pause_s
        self._wanted: tuple[float, Floats] | None = None
        self._found: Floats | None = None
        self.failure: Exception | None = None
        """What the computation raised; nothing is computed after it."""
        self._is_wanted = threading.Event()
        self._thread = threading.Thread(target=self._run, name="attacker", daemon=True)
        self._thread.start()

    def __call__(self, t_s: float, values: Floats) -> Floats:
        """Return the newest result, zeros before the first and after a failure: then the truth goes on."""
        if self.failure is not None:
            return np.zeros(len(values))
        self._wanted = (t_s, values.copy())
        self._is_wanted.set()
        return np.zeros(len(values)) if self._found is None else self._found

    def _run(self) -> None:
        while True:
            self._is_wanted.wait()
            self._is_wanted.clear()
            wanted = self._wanted
            assert wanted is not None
            try:
                self._found = self._delta(*wanted)
            except Exception as error:  # noqa: BLE001 - told to whoever asks
                self.failure = error
                return
            time.sleep(self._pause_s)


def beside(attack: Attack, clock_s: Callable[[], float] | None = None) -> Attack:
    """Return an attack whose change is computed beside.

    Parameters
    ----------
    clock_s : callable, optional
        Simulated time since the start of the station [s], where an attack's times are others.
    """
    delta = attack.delta
    if delta is None:
        return attack
    if clock_s is None:
        return dc.replace(attack, delta=Background(delta))
    return dc.replace(attack, delta=Background(lambda _t_s, values: delta(clock_s(), values)))


def failures(attacks: Iterable[Attack]) -> Iterator[str]:
    """Say which attacks have ended because their change could not be computed."""
    for attack in attacks:
        if isinstance(attack.delta, Background) and (error := attack.delta.failure) is not None:
            what = "its model failed" + (f": {error}" if str(error) else "")
            yield f"{attack.name}: it has no effect any more, {what}"
