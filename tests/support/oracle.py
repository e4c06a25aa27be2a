"""OpenDSS as an independent judge: the same circuit, tolerance 1e-10, controls frozen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

ORIGINALS = Path(__file__).resolve().parents[1] / "data" / "opendss"
TOLERANCE = 1e-10


class Oracle:
    """One compiled OpenDSS circuit, standing at its settled taps."""

    def __init__(self, master: Path) -> None:
        pytest.importorskip("dss", reason="needs dss-python, the extra 'opendss'")
        from hil.importers.engine import new_context, working_directory_kept

        with working_directory_kept():
            self.dss = new_context()
            self.do(f'compile "{master}"')
        self.circuit = self.dss.ActiveCircuit
        self.circuit.Solution.Solve()
        self.do("set controlmode=off", f"set tolerance={TOLERANCE}", "set maxiterations=200")
        self.solve()

    def do(self, *commands: str) -> None:
        for command in commands:
            self.dss.Text.Command = command

    def solve(self) -> None:
        self.circuit.Solution.Solve()
        assert self.circuit.Solution.Converged

    def voltages(self) -> dict[str, complex]:
        """Node voltages [V] by lower-case node name."""
        v = np.asarray(self.circuit.YNodeVarray).reshape(-1, 2)
        names = [n.lower() for n in self.circuit.YNodeOrder]
        return dict(zip(names, (v[:, 0] + 1j * v[:, 1]).tolist(), strict=True))


def worst_pu(grid, reference: dict[str, complex]) -> float:  # type: ignore[no-untyped-def]
    """Greatest |dV| over the nodes both have [pu of the node's base]."""
    v, index, base = grid.voltages, grid.nodes.index, grid.nodes.base_v
    common = [n for n in reference if n in index]
    assert len(common) == grid.n, "the reference must cover every node of ours"
    return max(abs(v[index[n]] - reference[n]) / base[index[n]] for n in common)
