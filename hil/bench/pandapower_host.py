"""pandapower's estimator in an environment of its own: it wants an older pandas than ours.

Run by path with that environment's interpreter, imports nothing of gridhil. One JSON object a line: the
network and its measurements first, then scans; every answer is a line as well. ``se_pandapower`` is the
other end.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
import warnings
from typing import Any

import numpy as np


def build(pp: Any, case: dict[str, Any]) -> Any:
    """Return pandapower's network: buses, lines, a source; measurements with values still to come."""
    net = pp.create_empty_network(f_hz=case["frequency_hz"], sn_mva=1.0)
    pp.create_buses(net, case["buses"], case["kv"])
    pp.create_ext_grid(net, case["source"])
    i, j, r, x, c = (np.array(column) for column in zip(*case["lines"], strict=True))
    pp.create_lines_from_parameters(net, i.astype(int), j.astype(int), 1.0, r, x, c, 1.0)
    loads = case["loads"]
    pp.create_loads(net, loads, np.zeros(len(loads)), np.zeros(len(loads)))
    for kind, element, number, sigma in case["measurements"]:
        side = "from" if element == "line" else None
        pp.create_measurement(net, kind, element, 0.0, sigma, number, side=side)
    return net


def estimate(net: Any, state: Any, scan: dict[str, Any]) -> dict[str, Any]:
    """Estimate from the values of one scan."""
    net.measurement["value"] = scan["z"]
    begin = time.perf_counter()
    is_good = state.estimate(net, "flat" if scan["is_cold"] else state.init)
    taken_s = time.perf_counter() - begin
    found = net.res_bus_est
    return {
        "s": taken_s,
        "ok": bool(is_good),
        "v_pu": found.vm_pu.fillna(0.0).tolist() if is_good else [],
        "v_deg": found.va_degree.fillna(0.0).tolist() if is_good else [],
    }


class State:
    """How the estimator is called: from flat voltages, or from its last result where there is one."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pandapower
            import pandapower.estimation
        self.pp = pandapower
        self.estimation = pandapower.estimation
        self.init = "flat"

    def estimate(self, net: Any, init: str) -> bool:
        """Weighted least squares at its own tolerance; tell whether it converged."""
        found = self.estimation.estimate(net, algorithm="wls", init=init)
        is_good = bool(found["success"] if isinstance(found, dict) else found)
        if is_good:  # its conversion reads the last power flow's voltages even here
            net.res_bus = net.res_bus_est.copy()
        self.init = "results" if is_good else "flat"
        return is_good


def main() -> None:
    """Answer line by line until the input ends; what pandapower prints goes to stderr."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        state = State()
        net = build(state.pp, json.loads(sys.stdin.readline()))
        answers.write(json.dumps({"version": state.pp.__version__}) + "\n")
        answers.flush()
        for line in sys.stdin:
            answers.write(json.dumps(estimate(net, state, json.loads(line))) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
