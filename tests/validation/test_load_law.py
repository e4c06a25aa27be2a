"""The load law against single-load OpenDSS circuits over the whole range of voltages."""

import cmath
import itertools

import numpy as np
import pytest

from rtcore.network.load_law import load_current

VB, S = 2400.0, 100e3 + 40e3j
ZIPV = (0.3, 0.2, 0.5, 0.1, 0.6, 0.3, 0.0)
ZIPV_CUT = (0.3, 0.2, 0.5, 0.1, 0.6, 0.3, 0.7)
VOLTAGES = [*np.arange(0.05, 1.26, 0.05), 0.501, 0.799, 0.801, 0.949, 0.951, 1.049, 1.051]


def opendss_current(v_pu: float, model: int, vmin: float, vmax: float, extra: str) -> complex:
    pytest.importorskip("dss", reason="needs dss-python, the extra 'opendss'")
    from hil.importers.engine import new_context

    dss = new_context()
    for line in (
        "clear",
        f"new circuit.one phases=1 basekv=2.4 pu={v_pu!r} r1=1e-9 x1=1e-9 r0=1e-9 x0=1e-9 bus1=a.1",
        "new load.x phases=1 bus1=a.1 kv=2.4 kw=100 kvar=40",
        f"~ model={model} vminpu={vmin} vmaxpu={vmax} {extra}",
        "set voltagebases=[4.156922]",
        "set tolerance=1e-12",
        "solve",
    ):
        dss.Text.Command = line
    dss.ActiveCircuit.SetActiveElement("load.x")
    re, im = dss.ActiveCircuit.ActiveCktElement.Currents[:2]
    return complex(re, im)


@pytest.mark.parametrize(
    ("model", "extra", "z"),
    [
        (1, "", (0.0,) * 7),
        (2, "", (0.0,) * 7),
        (4, "cvrwatts=0.8 cvrvars=2.5", (0.8, 2.5, 0, 0, 0, 0, 0)),
        (5, "", (0.0,) * 7),
        (8, f"zipv={list(ZIPV)}", ZIPV),
        (8, f"zipv={list(ZIPV_CUT)}", ZIPV_CUT),
    ],
    ids=["power", "impedance", "cvr", "current", "zip", "zip-with-cut-off"],
)
@pytest.mark.parametrize(("vmin", "vmax"), [(0.95, 1.05), (0.8, 1.1)])
def test_current_agrees_with_a_single_load_circuit(
    model: int, extra: str, z: tuple[float, ...], vmin: float, vmax: float
) -> None:
    for v_pu in VOLTAGES:
        expected = opendss_current(float(v_pu), model, vmin, vmax, extra)
        ours = load_current(complex(v_pu * VB), S, VB, model, 0.5, vmin, vmax, np.array(z, float))
        # 1e-6 of the nominal current: the oracle's own source impedance and tolerance
        assert abs(ours - expected) < 1e-6 * abs(S) / VB, (v_pu, ours, expected)


def test_current_turns_with_the_voltage() -> None:
    turn = cmath.exp(0.7j)
    for model, v_pu in itertools.product((1, 2, 4, 5, 8), (0.3, 0.9, 1.0, 1.2)):
        z = np.array(ZIPV)
        straight = load_current(complex(v_pu * VB), S, VB, model, 0.5, 0.95, 1.05, z)
        turned = load_current(v_pu * VB * turn, S, VB, model, 0.5, 0.95, 1.05, z)
        assert abs(turned - straight * turn) < 1e-12 * abs(straight)
