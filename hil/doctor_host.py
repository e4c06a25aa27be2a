"""What the kernel says about itself: metadata beside the probes (``root`` is / outside of tests)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from hil.doctor_check import Check, check

GOOD_CLOCKS = ("tsc", "arch_sys_counter")
BAD_CLOCKS = ("hpet", "acpi_pm", "jiffies", "refined-jiffies")
ISOLATION_WORDS = ("isolcpus", "nohz_full", "rcu_nocbs", "irqaffinity", "threadirqs")
IDLE_WORDS = ("idle", "processor.max_cstate", "intel_idle.max_cstate", "mitigations", "skew_tick")
SHM_NEEDED_MB = 64
CAP_SYS_NICE, CAP_IPC_LOCK = 23, 14


def read(root: Path, path: str) -> str | None:
    """Return the text of one file under ``root``, None when it cannot be read."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return (root / path).read_text().strip()
    return None


def host_checks(cpu: int, root: Path = Path("/")) -> list[Check]:
    """Return every metadata check for a loop on ``cpu``."""
    return [
        *kernel_checks(root),
        *isolation_checks(root, cpu),
        *power_checks(root, cpu),
        *limit_checks(root),
        *memory_checks(root),
        *time_checks(root),
        *machine_checks(root),
    ]


def kernel_checks(root: Path) -> Iterator[Check]:
    """PREEMPT_RT or not."""
    version = read(root, "proc/sys/kernel/version") or os.uname().version
    is_rt = read(root, "sys/kernel/realtime") == "1" or "PREEMPT_RT" in version
    model = next((w for w in version.split() if w.startswith("PREEMPT")), "unknown preemption")
    release = read(root, "proc/sys/kernel/osrelease") or os.uname().release
    yield check(
        "kernel",
        "preemption",
        is_rt,
        f"{release} {'PREEMPT_RT' if is_rt else model}",
        "a PREEMPT_RT kernel bounds the worst case",
    )


def isolation_checks(root: Path, cpu: int) -> Iterator[Check]:
    """Whether the loop's CPU is left alone."""
    isolated = cpu_list(read(root, "sys/devices/system/cpu/isolated"))
    yield check(
        "isolation",
        f"CPU {cpu}",
        cpu in isolated,
        "isolated" if cpu in isolated else "shared with everything else",
        f"boot with isolcpus={cpu} nohz_full={cpu} rcu_nocbs={cpu} irqaffinity=<others>",
    )
    words = (read(root, "proc/cmdline") or "").split()
    told = [w for w in words if w.partition("=")[0] in ISOLATION_WORDS + IDLE_WORDS]
    yield Check("isolation", "boot line", "ok", " ".join(told) or "no real-time options")
    status = status_fields(root)
    allowed = cpu_list(status.get("Cpus_allowed_list"))
    if allowed:
        count = len(allowed)
        advice = "with one CPU the loop and the gateways take turns; allow at least two"
        yield check("isolation", "CPUs allowed", count > 1, f"{count}", advice)
        if cpu not in allowed:
            yield Check("isolation", f"CPU {cpu} allowed", "fail", "no", "choose one of the allowed CPUs")
    quota = cgroup_quota(root)
    yield check(
        "isolation",
        "cgroup cpu.max",
        quota is None,
        quota or "no quota",
        "a CPU quota stops the loop for tens of milliseconds; run outside it (cpu.max = max)",
    )


def power_checks(root: Path, cpu: int) -> Iterator[Check]:
    """Frequency and idle governors."""
    governor = read(root, f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor")
    yield check(
        "power",
        "frequency governor",
        governor in (None, "performance"),
        governor or "not under this kernel's control",
        f"cpupower -c {cpu} frequency-set -g performance",
    )
    driver = read(root, "sys/devices/system/cpu/cpuidle/current_driver")
    yield Check("power", "idle driver", "ok", driver or "none")


def limit_checks(root: Path) -> Iterator[Check]:
    """Rights and throttling, as numbers beside the probes' answers."""
    caps = int(status_fields(root).get("CapEff", "0"), 16)
    held = [n for n, bit in (("SYS_NICE", CAP_SYS_NICE), ("IPC_LOCK", CAP_IPC_LOCK)) if caps >> bit & 1]
    yield Check("rights", "capabilities", "ok", " ".join(held) or "none that matter here")
    runtime = read(root, "proc/sys/kernel/sched_rt_runtime_us")
    period = read(root, "proc/sys/kernel/sched_rt_period_us")
    if runtime and period:
        yield Check("rights", "RT throttling", "ok", f"{runtime} of {period} us")


def memory_checks(root: Path) -> Iterator[Check]:
    """Swap, huge pages, automatic page movers, shared memory."""
    swaps = (read(root, "proc/swaps") or "").splitlines()[1:]
    yield check("memory", "swap", not swaps, f"{len(swaps)} areas" if swaps else "off", "swapoff -a")
    movers = {"numa_balancing": "proc/sys/kernel/numa_balancing", "ksm": "sys/kernel/mm/ksm/run"}
    active = [name for name, path in movers.items() if read(root, path) not in (None, "0")]
    yield check(
        "memory",
        "page movers",
        not active,
        " ".join(active) or "off",
        "they unmap pages behind the loop; write 0 to them",
    )
    try:
        stat = os.statvfs(root / "dev/shm")
    except OSError as error:
        yield Check("memory", "/dev/shm", "fail", error.strerror or "absent", "mount a tmpfs there")
        return
    free_mb = stat.f_bavail * stat.f_frsize / 1e6
    is_writable = os.access(root / "dev/shm", os.W_OK)
    yield check(
        "memory",
        "/dev/shm",
        is_writable and free_mb >= SHM_NEEDED_MB,
        f"{free_mb:.0f} MB free" if is_writable else "not writable",
        f"a station needs {SHM_NEEDED_MB} MB there (containers: --shm-size)",
        "fail",
    )


def time_checks(root: Path) -> Iterator[Check]:
    """Clock source; the kernel's fallback clocks make every reading slow and coarse."""
    folder = "sys/devices/system/clocksource/clocksource0"
    source = read(root, f"{folder}/current_clocksource")
    choice = read(root, f"{folder}/available_clocksource") or "unknown"
    if source in BAD_CLOCKS:
        yield Check("time", "clock source", "fail", source, f"available: {choice}; the loop needs tsc")
    else:
        is_good = source in GOOD_CLOCKS
        advice = f"acceptable; tsc is better (available: {choice})"
        yield check("time", "clock source", is_good, source or "unknown", advice)


def machine_checks(root: Path) -> Iterator[Check]:
    """Virtual machine and how busy it is."""
    is_guest = " hypervisor" in (read(root, "proc/cpuinfo") or "")
    advice = "its host can stop it for milliseconds: at best soft real time"
    yield check("machine", "virtual machine", not is_guest, "yes" if is_guest else "no", advice)
    load = (read(root, "proc/loadavg") or "").split()
    cpus = len(cpu_list(read(root, "sys/devices/system/cpu/online"))) or os.cpu_count() or 1
    if load:
        advice = "other work competes with the station"
        yield check("machine", "load", float(load[0]) < cpus, f"{load[0]} on {cpus} CPUs", advice)


def status_fields(root: Path) -> dict[str, str]:
    """Return /proc/self/status as a dictionary."""
    lines = (read(root, "proc/self/status") or "").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def cpu_list(text: str | None) -> set[int]:
    """Read the kernel's list form: "0-2,5" is {0, 1, 2, 5}."""
    cpus: set[int] = set()
    for part in (text or "").split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit():
            cpus.update(range(int(first), int(last or first) + 1))
    return cpus


def cgroup_quota(root: Path) -> str | None:
    """Return the tightest cgroup v2 CPU quota of this process and its parents, None for none."""
    lines = (read(root, "proc/self/cgroup") or "").splitlines()
    own = next((line[3:].lstrip("/") for line in lines if line.startswith("0::")), "")
    folder = Path("sys/fs/cgroup") / own
    while True:
        words = (read(root, f"{folder}/cpu.max") or "max").split()
        if words[0] != "max":
            return f"{words[0]} of {words[-1]} us"
        if folder in (Path("sys/fs/cgroup"), Path()):
            return None
        folder = folder.parent
