"""Time-current chart of a coordination study: a log-log sheet a feeder, phase faults over ground faults.

Currents are those of the fault at the voltage of the feeder: how much of it each device sees comes
from a fault study of the network without loads, so a relay on the other side of a transformer is drawn
where it acts. A relay's line is its trip, the shade above it lasts until its breaker has interrupted.
A line is strong between the smallest (hollow) and the largest (filled) fault current of the relay's own
zone. A fuse is the band from least melting to total clearing.
"""

from __future__ import annotations

import dataclasses as dc
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hil import output_places, run_dir
from hil.coordination import PHASES, Coordination, Currents, Protected
from hil.coordination_devices import Complex, FuseDevice, RelayDevice
from rtcore.errors import HostError
from rtcore.network import faults as ft
from rtcore.network.grid import Grid

Floats = npt.NDArray[np.float64]

SUFFIXES = (".png", ".svg", ".pdf")
KINDS = {"3ph": ("3ph", "ll"), "slg": ("slg",)}
"""Fault of a sheet's curves -> types whose currents limit a zone on it."""
TITLES = {"3ph": "phase faults", "slg": "phase to ground"}
COLOURS = ("#1f4e9c", "#c0392b", "#2e8b57", "#8e44ad", "#d98200", "#00838f", "#7f4f24", "#c2185b")
COMMON, FUSE_COLOURS = "#222222", ("#8a8a8a", "#b08d57", "#6b8fa3")
SHORTEST_S, LONGEST_S = 0.01, 100.0
OFF_S = 1e6
"""Stands for never; off the sheet."""
SAMPLES = 400
SHEET_INCHES = (5.4, 5.6)
DPI = 110
SQRT3 = math.sqrt(3.0)


@dc.dataclass(frozen=True, slots=True)
class Sheet:
    """One feeder: ``common`` devices are upstream of several sheets, ``own`` are its alone."""

    title: str
    common: tuple[Protected, ...]
    own: tuple[Protected, ...]

    @property
    def first(self) -> Protected:
        """The device that the sheet's voltage and largest current belong to."""
        return self.own[0]


@dc.dataclass(frozen=True, slots=True)
class Reach:
    """A device on a sheet.

    Attributes
    ----------
    share : ndarray, shape (3,)
        Its phase currents for one ampere on the sheet's axis.
    end_a : float
        Largest current of the axis that it sees [A].
    zone_a : tuple of float
        Smallest and largest current of its own zone on the axis [A]; NaN where that is another sheet's.
    side : str
        "(69 kV)" where it stands at another voltage than the axis.
    """

    there: Protected
    share: Complex
    end_a: float
    zone_a: tuple[float, float]
    side: str = ""

    @property
    def named(self) -> str:
        """Name, with its voltage where that is not the axis'."""
        return f"{self.there.device.name} {self.side}".rstrip()


def check_file(path: Path) -> None:
    """Refuse a file that no chart can be written to."""
    output_places.check_file(path, SUFFIXES, "a chart")


def draw(found: Coordination, path: Path, title: str) -> None:
    """Write the chart; the same study makes the same file."""
    check_file(path)
    os.environ.setdefault("MPLCONFIGDIR", str(run_dir.cache_root() / "matplotlib"))
    import matplotlib as mpl
    from matplotlib.figure import Figure

    pages = sheets(found)
    bare = Grid(dc.replace(found.network, loads=()))
    bare.solve()
    width, height = SHEET_INCHES
    figure = Figure(figsize=(max(width * len(pages), 8.0), height * len(KINDS)), layout="constrained")
    grid: Any = figure.subplots(len(KINDS), len(pages), squeeze=False)
    for column, sheet in enumerate(pages):
        for row, kind in enumerate(KINDS):
            _draw_sheet(grid[row, column], sheet, kind, _reaches(found, bare, sheet, kind), found)
    figure.suptitle(f"{title}\n{LEGEND}", fontsize=10)
    suffix = path.suffix.lower()
    dateless = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}[suffix]
    with mpl.rc_context({"svg.hashsalt": "gridhil", "svg.fonttype": "none"}):
        try:
            figure.savefig(path, dpi=DPI, metadata=dateless)
        except OSError as error:
            raise HostError(f"{path}: cannot write the chart: {error.strerror or error}") from None


LEGEND = (
    "lines: relay trip, shaded until the breaker has interrupted; bands: fuse, melting to total clearing; "
    "strong: own zone, smallest (hollow) to largest (filled) bolted fault"
)


# ---------------------------------------------------------------------------------------- sheets


def sheets(found: Coordination) -> list[Sheet]:
    """Return one sheet for each relay at the first place where relays branch, and what is above it."""
    behind: dict[str, list[Protected]] = {}
    for p in found.protected.values():
        behind.setdefault(p.position.upstream, []).append(p)
    common: list[Protected] = []
    level = behind.get("", [])
    while True:
        branches = [p for p in level if p.device.is_relay or p.position.switch in behind]
        if len(branches) > 1:
            break
        common += [p for p in level if p not in branches]
        common += branches
        if not branches:
            return [_one_sheet(found, common)]
        level = behind.get(branches[0].position.switch, [])
    common += [p for p in level if p not in branches]
    return [Sheet(p.device.name, tuple(common), tuple(_subtree(p, behind))) for p in branches]


def _one_sheet(found: Coordination, chain: Sequence[Protected]) -> Sheet:
    """Return a single chain as one sheet; what stands at another voltage before it is common."""
    volts = {b.name: b.base_kv_ln for b in found.network.buses}
    kv = [volts[p.position.head] for p in chain]
    first = next((k for k, v in enumerate(kv) if math.isclose(v, kv[-1], rel_tol=0.05)), 0)
    return Sheet(found.network.name, tuple(chain[:first]), tuple(chain[first:]))


def _subtree(top: Protected, behind: dict[str, list[Protected]]) -> Iterator[Protected]:
    yield top
    for p in behind.get(top.position.switch, ()):
        yield from _subtree(p, behind)


def _reaches(found: Coordination, bare: Grid, sheet: Sheet, kind: str) -> list[Reach]:
    """Return where each device of a sheet acts for one type of fault, if it has the phases for it."""
    volts = {b.name: b.base_kv_ln for b in found.network.buses}
    kv = volts[sheet.first.position.head]
    made = []
    for p in (*sheet.common, *sheet.own):
        is_above = p in sheet.common and p.device.is_relay
        head = sheet.first.position.head if is_above else p.position.head
        phases = _phases_at(bare, head, p, kind)
        if not phases:
            continue
        fault = ft.Fault(head, "slg" if len(phases) == 1 else kind, phases)
        i = Currents(bare, [p.device.terminal]).at(fault)[0]
        of_fault = float(np.max(np.abs(ft.fault_currents(bare, fault)))) * volts[head] / kv
        low, high = (math.nan, math.nan) if is_above else _zone(found, p, kind, volts[head] / kv)
        own_kv = volts[p.position.head]
        side = "" if math.isclose(own_kv, kv, rel_tol=0.05) else f"({own_kv * SQRT3:.3g} kV)"
        made.append(Reach(p, i / of_fault, of_fault if is_above else high, (low, high), side))
    return made


def _phases_at(grid: Grid, bus: str, p: Protected, kind: str) -> str:
    """Return the phases of the fault that stands for a device; a one-phase fuse is drawn for any type."""
    switch = next(s for s in grid.network.switches if s.name == p.position.switch)
    there = "".join(
        "abc"[n - 1] for n in sorted(switch.nodes1) if 1 <= n <= 3 and f"{bus}.{n}" in grid.nodes.index
    )
    if kind in PHASES and PHASES[kind][0] == there:
        return there
    return there[:1] if kind == "slg" or isinstance(p.device, FuseDevice) else ""


def _zone(found: Coordination, p: Protected, kind: str, to_axis: float) -> tuple[float, float]:
    """Return the smallest and the largest fault current of a device's zone on the sheet's axis [A]."""
    of_zone = found.levels[p.position.switch]
    pairs = [of_zone[k] for k in KINDS[kind] if k in of_zone] or list(of_zone.values())
    return min(low.i_a for _, low in pairs) * to_axis, max(high.i_a for high, _ in pairs) * to_axis


# --------------------------------------------------------------------------------------- drawing


def _draw_sheet(ax: Any, sheet: Sheet, kind: str, reaches: Sequence[Reach], found: Coordination) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    colours = iter(COLOURS * 8)
    most_a = max((r.end_a for r in reaches), default=1e4)
    axis_a = np.geomspace(1.0, most_a, SAMPLES * 2)
    least_a = [most_a / 10.0]
    for r in reaches:
        if isinstance(r.there.device, RelayDevice):
            colour = COMMON if r.there in sheet.common else next(colours)
            least_a.append(_draw_relay(ax, r, colour, axis_a))
    least_a += _draw_fuses(ax, [r for r in reaches if isinstance(r.there.device, FuseDevice)], axis_a)
    kv = next(b.base_kv_ln for b in found.network.buses if b.name == sheet.first.position.head)
    _mark_levels(ax, reaches)
    ax.set(
        xscale="log",
        yscale="log",
        xlim=(0.8 * min(least_a), 1.5 * most_a),
        ylim=(SHORTEST_S, LONGEST_S),
        title=f"{sheet.title}: {TITLES[kind]}",
        xlabel=f"fault current at {kv * SQRT3:.3g} kV [A]",
        ylabel="time [s]",
    )
    plain = FuncFormatter(lambda v, _: f"{v:g}")
    ax.xaxis.set_major_formatter(plain)
    ax.yaxis.set_major_formatter(plain)
    ax.xaxis.set_minor_formatter(FuncFormatter(_two_and_five))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.tick_params(labelsize=8, which="both")
    ax.grid(visible=True, which="major", color="#bbbbbb", linewidth=0.6)
    ax.grid(visible=True, which="minor", color="#e6e6e6", linewidth=0.4)
    ax.legend(loc="lower left", fontsize=7.5, framealpha=0.95)


def _two_and_five(value: float, _place: int) -> str:
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def _draw_relay(ax: Any, r: Reach, colour: str, axis_a: Floats) -> float:
    """Draw a relay's curves, one for each different shot; returns the smallest current it acts on [A]."""
    device = r.there.device
    assert isinstance(device, RelayDevice)
    i_a = axis_a[axis_a <= r.end_a * 1.0001]
    times = np.array([[trip.time_s for trip in device.trips(r.share * a)] for a in i_a])
    curves: dict[bytes, list[int]] = {}
    for shot in range(times.shape[1]):
        curves.setdefault(times[:, shot].tobytes(), []).append(shot)
    least_a = math.inf
    for k, shots in enumerate(curves.values()):
        t_s = np.where(np.isfinite(times[:, shots[0]]), times[:, shots[0]], np.nan)
        if np.all(np.isnan(t_s)):
            continue
        label = r.named if len(curves) == 1 else f"{r.named}, {_trips_named(shots)}"
        style = ("-", "--", "-.", ":")[k % 4]
        _draw_curve(ax, r, i_a, t_s, colour, style, label)
        ax.fill_between(i_a, t_s, t_s + device.opening_s, color=colour, alpha=0.13, linewidth=0)
        least_a = min(least_a, float(i_a[np.isfinite(t_s)][0]))
    return least_a


def _trips_named(shots: Sequence[int]) -> str:
    first, last = shots[0] + 1, shots[-1] + 1
    return f"trip {first}" if first == last else f"trips {first} to {last}"


def _draw_curve(ax: Any, r: Reach, i_a: Floats, t_s: Floats, colour: str, style: str, label: str) -> None:
    """Draw a thin curve, strong within the device's own zone, its limits marked."""
    low, high = r.zone_a
    if math.isnan(low):
        ax.plot(i_a, t_s, style, color=colour, linewidth=1.6, label=label)
        return
    ax.plot(i_a, t_s, style, color=colour, linewidth=0.9, alpha=0.75)
    own = (i_a >= low) & (i_a <= high)
    shown = f"{label}: {low / 1e3:.2f} to {high / 1e3:.2f} kA"
    ax.plot(i_a[own], t_s[own], style, color=colour, linewidth=2.4, label=shown)
    for level, face in ((low, "white"), (high, colour)):
        ax.plot(level, np.interp(level, i_a, t_s), "o", color=colour, markerfacecolor=face, markersize=5)


def _draw_fuses(ax: Any, fuses: Sequence[Reach], axis_a: Floats) -> Iterator[float]:
    """Draw one band for all fuses of a link; yields the smallest currents they act on [A]."""
    links: dict[str, list[Reach]] = {}
    for r in fuses:
        assert isinstance(r.there.device, FuseDevice)
        links.setdefault(r.there.device.link_name, []).append(r)
    for k, (link, group) in enumerate(links.items()):
        r = max(group, key=lambda x: x.end_a)
        i_a = axis_a[axis_a <= r.end_a * 1.0001]
        melt = np.array([r.there.device.first(r.share * a).time_s for a in i_a])
        clear = np.array([r.there.device.cleared(r.share * a).time_s for a in i_a])
        least_a = float(i_a[np.isfinite(melt)][0]) if np.any(np.isfinite(melt)) else math.inf
        melt, clear = (np.minimum(t, OFF_S) for t in (melt, clear))
        colour = FUSE_COLOURS[k % len(FUSE_COLOURS)]
        low = min(x.zone_a[0] for x in group)
        label = f"{_fuses_named(group)}, {link}: {low / 1e3:.2f} to {r.end_a / 1e3:.2f} kA"
        shown = melt < OFF_S
        band, edge = {"color": colour, "alpha": 0.45, "linewidth": 0}, {"color": colour, "linewidth": 0.9}
        ax.fill_between(i_a[shown], melt[shown], clear[shown], label=label, **band)
        ax.plot(i_a[shown], melt[shown], **edge)
        ax.plot(i_a[clear < OFF_S], clear[clear < OFF_S], **edge)
        yield least_a


def _fuses_named(group: Sequence[Reach]) -> str:
    return group[0].there.device.name if len(group) == 1 else f"{len(group)} fuses"


def _mark_levels(ax: Any, reaches: Sequence[Reach]) -> None:
    """Mark the largest and the smallest fault current of the sheet."""
    zones = [r.zone_a for r in reaches if not math.isnan(r.zone_a[0])]
    if not zones:
        return
    for level, word in ((max(z[1] for z in zones), "largest"), (min(z[0] for z in zones), "smallest")):
        ax.axvline(level, color="#555555", linewidth=0.8, linestyle=(0, (4, 3)))
        ax.annotate(
            f"{word} fault {level / 1e3:.2f} kA",
            (level, SHORTEST_S * 1.2),
            rotation=90,
            fontsize=7,
            color="#444444",
            bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.8},
            xytext=(-3, 0),
            textcoords="offset points",
            ha="right",
            va="bottom",
        )
