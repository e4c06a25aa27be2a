"""A small station with relays, written as a user would: network, scheme and points in a folder.

    grid =(1 ohm)= s --[cb_up]-- a --l1-- b --[rcl]-- c --l2-- d --[tie, open]-- e --l3-- f
                                 |                             |
                                 house                         town

Every line has 1 ohm of reactance, the source is stiff, instruments are exact, nothing scatters:
what happens can be computed by hand. Times are counted from the fault.
"""

from __future__ import annotations

from pathlib import Path

from hil.fault_library import place_table
from hil.importers.protection_points import device, devices
from hil.network_files import read_network, write_network
from hil.protection_files import read_scheme
from hil.station import load_setup
from rtcore.commands import Reason
from rtcore.engine import Engine
from rtcore.network.model import Bus, Line, Load, Network, Source, Switch
from rtcore.ring import E_KIND, E_NEW, E_TARGET, E_UTC_NS, EVENT_STATUS
from tests.support.small_feeder import ABC, V_LN, line, reactance, switch

RECLOSER = """
[scheme]
title = "recloser of the reference timeline, with a backup"

[defaults.overcurrent_51]
pickup_a = 400
[defaults.breaker_failure_50bf]
retrip_s = 0.08
delay_s = 0.16

[relay.cb_up]
breaker = "cb_up"
ct = CT
[relay.cb_up.51p]
function = "overcurrent_51"
trips = ["cb_up"]
pickup_a = 800
curve = "dt"
delay_s = 20

[relay.rcl]
breaker = "rcl"
ct = CT
[relay.rcl.51f]
function = "overcurrent_51"
trips = ["rcl"]
starts_79 = true
starts_bf = true
curve = "ieee_ei_f"
time_dial = 0.5
shots = 0b00011
[relay.rcl.51s]
function = "overcurrent_51"
trips = ["rcl"]
starts_79 = true
starts_bf = true
curve = "ieee_vi_e"
time_dial = 2
shots = 0b11100
[relay.rcl.50bf]
function = "breaker_failure_50bf"
trips = ["cb_up"]
locks_out = true
[relay.rcl.79]
function = "recloser_79"
open_interval_1_s = 0.5
open_interval_2_s = 2
open_interval_3_s = 5
reset_s = 6
[relay.rcl.groups.2.51f]
pickup_a = 3000
time_dial = 1

[relay.uv]
ct = CT_RCL
vt = VT
[relay.uv.27]
function = "undervoltage_27"
pickup_pu = 0.9
delay_s = 0.3
"""
"""CT, CT_RCL, VT stand for exact transformers: at the relay's own breaker, at rcl, on its source side."""

LIVES = {"permanent": 0, "temporary": 1, "self-clearing": 2, "intermittent": 3}
TYPES = {"3ph": 1, "3phg": 2, "slg": 3, "ll": 4, "llg": 5}

PLANT = """
[plant.generator.grid]
model = "infinite"
[plant.breaker."*"]
scatter_s = 0.0
aux_offset_s = 0.0
has_arc = "off"
spring_charge_s = 0.2
"""

EXACT = "class_pct = 0, phase_deg = 0"
CT = f"{{terminal = 1, primary_a = 600, is_saturation = false, {EXACT}}}"
VT = f'{{bus = "b", {EXACT}}}'


def load(name: str, bus: str) -> Load:
    return Load(
        name=name, bus=bus, nodes=(1, 2, 3, 0), phases=3, conn="wye", kv=13.8, kw=400.0, kvar=100.0
    )  # fmt: skip


def network() -> Network:
    source = Source(
        name="grid", bus="s", nodes=ABC, base_kv=13.8, r1_ohm=1e-3, x1_ohm=1.0, r0_ohm=1e-3, x0_ohm=1.0
    )
    lines: tuple[Line, ...] = (
        line("l1", "a", "b", 1.0), line("l2", "c", "d", 1.0), line("l3", "e", "f", 1.0)
    )  # fmt: skip
    switches: tuple[Switch, ...] = (
        switch("cb_up", "s", "a"),
        switch("rcl", "b", "c"),
        switch("tie", "d", "e", is_closed=False),
    )
    return Network(
        name="protected",
        buses=tuple(Bus(name=b, base_kv_ln=V_LN / 1e3) for b in "sabcdef"),
        sources=(source,),
        linecodes=(reactance("x3", ABC),),
        lines=lines,
        switches=switches,
        loads=(load("house", "a"), load("town", "d")),
    )


def write_station(folder: Path, scheme: str, plant: str = PLANT, more: str = "") -> Path:
    """Write network, scheme, points and station file into a folder; returns the station file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_network(network(), folder / "network")
    at_rcl = CT.replace("1,", '"switch.rcl@1",', 1)
    scheme = scheme.replace("= CT_RCL", f"= {at_rcl}").replace("= CT", f"= {CT}").replace("= VT", f"= {VT}")
    (folder / "scheme.toml").write_text(scheme, encoding="utf-8")
    (folder / "points").mkdir(exist_ok=True)
    _write_points(folder)
    path = folder / "station.toml"
    path.write_text(
        '[station]\nname = "protected"\ntitle = "Small"\nnetwork = "./network"\npoints = "./points"\n'
        'protection = "./scheme.toml"\n[time]\nstart = 2017-07-12T12:00:00+00:00\n'
        f"[modbus]\nenabled = false\n[opcua]\nenabled = false\n{more}{plant}",
        encoding="utf-8",
    )
    return path


def _write_points(folder: Path) -> None:
    rows = [
        device(f"CB.{name.upper()}", "breaker", f"breaker.{name}", 1, ir=100 + 40 * k, co=16 * k, di=16 * k)
        | {"terminal": f"switch.{name}@1"}
        for k, name in enumerate(("cb_up", "rcl", "tie"))
    ]
    rows.append(device("LAB.ARM", "arming", "arming.station", 2, ir=2000, co=2000, di=2000))
    rows.append(device("LAB.INJECT", "injection", "injection.set", 2, ir=2100, hr=2000, co=2010, di=2010))
    for k in range(2):
        places = {"ir": 100 + 40 * k, "hr": 40 * k, "co": 16 * k, "di": 16 * k}
        rows.append(device(f"LAB.FAULT_{k + 1}", "fault", f"fault.{k + 1}", 2, **places))
    scheme = read_scheme(folder / "scheme.toml", read_network(folder / "network"))
    rows += [
        row for row in devices(scheme, dict.fromkeys(("cb_up", "rcl", "tie", ""), "P")) if _is_bound(row)
    ]
    head = list(rows[0])
    lines = [",".join(head), *(",".join(row[c] for c in head) for row in rows)]
    (folder / "points" / "devices.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _is_bound(row: dict[str, str]) -> bool:
    """Tell whether there is such a component: a relay may have no breaker of its own."""
    return row["component"] != "breaker."


class Feeder:
    """The engine of such a station, its faults, and when its statuses changed."""

    def __init__(self, station: Path, dt_s: float = 1e-3) -> None:
        self.setup = load_setup(str(station), round(dt_s * 1e9))
        self.places = place_table(self.setup.network)
        self.dt_s, self.fault_step = dt_s, 0
        self.changes: list[tuple[str, float, float]] = []
        """Tag, new value and instant of every change of a status, in the order in which they were told."""
        self.e = Engine(self.setup)
        self.run(0.05)

    def value(self, tag: str) -> float:
        return self.e.value(tag)

    def do(self, tag: str, value: float = 1.0) -> Reason:
        reason = self.e.do(tag, value).reason
        self._take()
        return reason

    @property
    def t(self) -> float:
        """Time since the last fault began, at the end of the last step."""
        return (self.e.n_steps - 1 - self.fault_step) * self.dt_s

    def set_fault(self, place: str, slot: int = 1, **changes: float | str) -> None:
        """Set a slot up; nothing happens yet."""
        words = {"type": "3ph", "life": "permanent", "r_ohm": 1e-4, **changes}
        numbers = {**words, "place": self.places.index(place)}
        numbers["type"], numbers["life"] = TYPES[str(words["type"])], LIVES[str(words["life"])]
        ids = self.e.command([(f"LAB.FAULT_{slot}.{k.upper()}", float(v)) for k, v in numbers.items()])
        self.run(self.dt_s)
        verdicts = self.e.verdicts()
        assert all(verdicts[i].is_done for i in ids)

    def fault(self, place: str, slot: int = 1, **changes: float | str) -> None:
        """Arm and apply a fault; from here on times are counted."""
        self.set_fault(place, slot, **changes)
        assert self.do("LAB.ARM.ARM") is Reason.DONE
        self.run(self.dt_s)
        self.changes.clear()
        self.fault_step = self.e.n_steps - 1  # it begins with the next step, at the end of the last
        assert self.do(f"LAB.FAULT_{slot}.APPLY") is Reason.DONE

    def run(self, span_s: float) -> None:
        left = round(span_s / self.dt_s)
        while left > 0:
            n = min(left, 2000)  # the ring of events is read before it is full
            self.e.step(n)
            self._take()
            left -= n

    def _take(self) -> None:
        epoch_ns = self.setup.clock.epoch_ns
        for row in self.e.events.take():
            if row[E_KIND] == EVENT_STATUS:
                t = (int(row[E_UTC_NS]) - epoch_ns) * 1e-9 - self.fault_step * self.dt_s
                self.changes.append((self.e.points[row[E_TARGET]].tag, float(row[E_NEW]), t))

    def clear(self, slot: int = 1) -> None:
        assert self.do(f"LAB.FAULT_{slot}.CLEAR") is Reason.DONE

    def times(self, tag: str, value: float = 1.0) -> list[float]:
        """Return when a status took a value, since the fault."""
        return [t for name, new, t in self.changes if name == tag and new == value]
