"""``gridhil bench``: the benchmarks by name, run one after the other."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from rich.console import Console

from hil.output import make_table
from rtcore.errors import GridhilError, HostError, did_you_mean

BENCHES = {
    "step": ("hil.bench.step", "run", 10.0),
    "relays": ("hil.bench.relays", "run", 10.0),
    "solver": ("hil.bench.solver", "run_solver", 12.0),
    "se": ("hil.bench.se", "run", 20.0),
    "forecast": ("hil.bench.forecast", "run", 60.0),
    "loop": ("hil.bench.loop", "run", 80.0),
    "modbus": ("hil.bench.modbus", "run", 15.0),
    "opcua": ("hil.bench.opcua", "run", 15.0),
    "console": ("hil.bench.console", "run", 30.0),
    "relaytest": ("hil.bench.relaytest", "run", 60.0),
    "startup": ("hil.bench.startup", "run", 0.0),
}
"""Name -> module, function, default seconds."""


def run_bench(name: str | None, seconds: float | None, console: Console) -> dict[str, Any]:
    """Run one benchmark or all; one that this host cannot run says so and does not end the rest."""
    if name is not None and name not in BENCHES:
        raise GridhilError(
            f"no benchmark {name!r}; there are {', '.join(BENCHES)}{did_you_mean(name, BENCHES)}"
        )
    results: dict[str, Any] = {}
    for each in [name] if name else BENCHES:
        module, function, default_s = BENCHES[each]
        console.print(f"bench {each} ...", highlight=False)
        measure: Callable[[float], Any] = getattr(importlib.import_module(module), function)
        try:
            results[each] = measure(default_s if seconds is None else seconds)
        except HostError as error:
            if name:
                raise
            results[each] = {"skipped": {"why": str(error)}}
    return results


def show(results: dict[str, Any], console: Console) -> None:
    """Print every result as a table: one column a case, one row a figure."""
    for name, result in results.items():
        cases = result if all(isinstance(v, dict) for v in result.values()) else {"": result}
        figures = list(dict.fromkeys(f for case in cases.values() for f in case))
        rows = [(f, *(case.get(f, "") for case in cases.values())) for f in figures]
        console.print(make_table(f"bench {name}", ("", *cases), rows))
