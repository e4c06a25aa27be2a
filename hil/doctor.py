"""What this host can hold: probes first, then what the kernel says about itself, then a verdict."""

from __future__ import annotations

import dataclasses as dc
import platform
from collections.abc import Sequence
from typing import Any

from hil import doctor_host, doctor_probes, doctor_software
from hil.bench import cyclictest
from hil.doctor_check import Check, Status
from hil.doctor_probes import fifo_granted
from rtcore.errors import HostError

__all__ = ["STEP_RULE", "Check", "Diagnosis", "diagnose", "fifo_granted", "step_min_us", "to_json"]

STEPS_US = (250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
"""Steps a station may have, as a ladder [us]."""
LATENESS_SHARE = 0.5
STEP_RULE = (
    "the shortest step of which the p99.9 wake-up lateness takes at most half: "
    "the other half is left for the computation"
)
STEAL_WARN_PCT = 0.5
"""Above this share of stolen CPU time a jitter figure says more about the host than about the guest."""


@dc.dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything the doctor found."""

    checks: list[Check]
    verdict: str
    step_min_us: int | None
    """Shortest step this host holds by `STEP_RULE`; None when not measured or none holds."""
    jitter: dict[str, Any] | None
    """Lateness of the probe [us], None when it was not asked for."""
    cyclictest: dict[str, Any] | None
    """The same minute's cyclictest under the same policy, where it is installed."""

    @property
    def has_failed(self) -> bool:
        """A station cannot be relied on here at all."""
        return any(c.status == "fail" for c in self.checks)


def diagnose(seconds: float = 2.0, cpu: int | None = None) -> Diagnosis:
    """Look at this host.

    Parameters
    ----------
    seconds : float
        Length of the jitter probe (and of cyclictest beside it) [s]; 0 leaves both out.
    cpu : int, optional
        The CPU the loop would take; default as the loop's.
    """
    chosen = doctor_probes.default_cpu() if cpu is None else cpu
    tflite, mlock = doctor_software.start_tflite_probe(), doctor_probes.start_mlock_probe()
    software = [
        doctor_software.architecture_check(platform.machine()),
        doctor_software.python_check(),
        *doctor_software.shadowing_checks(),
    ]
    ports = list(doctor_software.port_checks())
    host = doctor_host.host_checks(chosen)
    permissions = doctor_probes.permissions(mlock)
    software.append(doctor_software.tflite_check(tflite))  # its process is gone before jitter is measured
    timing, measured, reference = _timing(seconds, chosen) if seconds > 0 else ([], None, None)
    checks = [*permissions, *timing, *host, *software, *ports]
    step = None if measured is None else step_min_us(measured["p999_us"])
    return Diagnosis(checks, verdict(checks, step, measured is not None), step, measured, reference)


def step_min_us(p999_us: float) -> int | None:
    """Return the shortest step by `STEP_RULE` [us], None when even 100 ms does not hold."""
    return next((step for step in STEPS_US if p999_us <= LATENESS_SHARE * step), None)


def verdict(checks: Sequence[Check], step_us: int | None, is_measured: bool) -> str:
    """Put the checks into one sentence that claims no more than was found."""
    failed = [c.name for c in checks if c.status == "fail"]
    if failed:
        return f"not usable: {', '.join(failed)}"
    if not is_measured:
        held = "jitter not measured"
    elif step_us is None:
        held = "holds no step up to 100 ms"
    else:
        held = f"held steps of {step_us / 1000:g} ms while measured"
    by_name = {c.name: c for c in checks}
    if (fifo := by_name.get("SCHED_FIFO")) is None or fifo.status != "ok":
        return f"best effort, no real-time priority; {held}"
    if "virtual machine" in by_name and by_name["virtual machine"].status != "ok":
        return f"soft real time (virtual machine); {held}"
    if "preemption" in by_name and by_name["preemption"].status != "ok":
        return f"soft real time (no PREEMPT_RT); {held}"
    return f"real time; {held}"


def to_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return plain data for ``gridhil doctor --json``."""
    return {
        "verdict": diagnosis.verdict,
        "step_min_us": diagnosis.step_min_us,
        "step_rule": STEP_RULE,
        "checks": [dc.asdict(c) for c in diagnosis.checks],
        "jitter": diagnosis.jitter,
        "cyclictest": diagnosis.cyclictest,
    }


def _timing(seconds: float, cpu: int) -> tuple[list[Check], dict[str, Any] | None, dict[str, Any] | None]:
    try:
        row = doctor_probes.jitter(seconds, cpu)
    except HostError as error:
        return (
            [Check("probe", "wake-up lateness", "fail", str(error), "gridhil cannot pace a loop here")],
            None,
            None,
        )
    step = step_min_us(row["p999_us"])
    status: Status = "ok" if step is not None and step <= 1000 else "warn"
    advice = "" if status == "ok" else "too late for steps of 1 ms; see the permissions and isolation below"
    form = "1 kHz" if row["compiled"] else "1 kHz, through ctypes"
    checks = [Check("probe", f"wake-up lateness ({form})", status, _lateness(row), advice)]
    reference, beside = _reference(seconds, cpu, row)
    checks.append(beside)
    if row["steal_pct"] > STEAL_WARN_PCT:
        text = f"{row['steal_pct']:.1f} % of CPU time was stolen meanwhile"
        checks.append(Check("probe", "stolen time", "warn", text, "measure again when the host is quiet"))
    return checks, row, reference


def _reference(seconds: float, cpu: int, row: dict[str, Any]) -> tuple[dict[str, Any] | None, Check]:
    """Run cyclictest under the probe's policy; its figures and what they say beside the probe's."""
    if not cyclictest.is_installed():
        note = "not installed (rt-tests), so no reference beside it"
        return None, Check("probe", "cyclictest", "ok", note)
    try:
        found = cyclictest.run(seconds, cpu, fifo=row["policy"].get("fifo") == "granted")
    except HostError as error:
        advice = "there is no reference beside the probe; run it by hand to see why"
        return None, Check("probe", "cyclictest", "warn", str(error), advice)
    reference = dc.asdict(found)
    ratio = row["p99_us"] / max(found.p99_us, 1.0)
    value = f"{_lateness(reference)}; we are at {ratio:.2f} x its p99"
    return reference, Check("probe", "cyclictest, same policy", "ok", value)


def _lateness(row: dict[str, Any]) -> str:
    return "p50 {p50_us:.0f}, p99 {p99_us:.0f}, p99.9 {p999_us:.0f}, max {max_us:.0f} us".format(**row)
