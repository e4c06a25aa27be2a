"""Point templates of the estimator, made from its declarations, and its devices in the shipped point lists.

``python -m hil.importers.estimator_points`` writes the templates into config/points/templates, and the rows
into the point lists of the stations that have an estimator, behind all other rows: one for each detector,
each monitored bus, and each channel of any shipped telemetry set.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from estimation.outputs import DETECTORS, KINDS, State, Why
from hil import paths, telemetry_files
from hil.importers.protection_points import device, kind, templates_folder
from hil.importers.published_template import published_template, without
from hil.network_files import read_network
from hil.point_files import read_points
from hil.publishers import rank
from rtcore.component import REGISTRY, Attr, Spec
from rtcore.network.model import Network

UNIT = 6
"""Modbus unit of the estimator; nobody writes there."""

LISTS = ("iowa240-prot",)
"""Point lists with an estimator; ``iowa240-der`` is made from this one."""

STAMPED = ("estimator", "detector", "estimate")
"""Kinds whose devices have a stamp block; residuals lie close, so that few requests read them all."""

COUNT_MAX = 2**32 - 1
SUSPECTS = ("switch_suspect", "tap_suspect")
COUNTS = ("dof", "iterations", "scans", "n_measurements", "n_unobservable", *SUSPECTS, "alarms")
"""Whole numbers, like the numbers of suspects."""

RANGES = {
    "V": (0, 100_000),
    "deg": (-180, 180),
    "Hz": (0, 20),
    "h": (0, 1_000_000),
    "ms": (0, 1_000_000),
    "s": (0, 1_000_000_000),
}
"""Unit -> lowest and highest value."""

OTHER_RANGE = (-1_000_000_000, 1_000_000_000)
DESCRIPTIONS = {
    "estimator": "state estimator: how well the measurements fit, and what is suspected",
    "detector": "detector of false data",
    "estimate": "estimated voltages of a bus",
    "residual": "residual of a telemetered channel",
}
DEADBANDS = {"V": 1.0, "deg": 0.01}

DETECTOR_IR, ESTIMATE_IR, RESIDUAL_IR = 200, 400, 2000
DETECTOR_SPAN, ESTIMATE_SPAN, RESIDUAL_SPAN = 20, 20, 4
ESTIMATOR_IR, ESTIMATOR_DI, DETECTOR_DI = 100, 16, 32


def template(spec: Spec) -> str:
    """Return the template of one kind: every attribute is a point."""
    units = ("_v", "_deg") if spec.kind == "estimate" else ()  # VA for the estimated ``va_v``
    return published_template(
        DESCRIPTIONS[spec.kind],
        spec.attrs,
        name=lambda attr: without(attr, *units),
        number=_number,
        deadbands=DEADBANDS,
        is_stamped=spec.kind in STAMPED,
    )


def _number(attr: Attr) -> tuple[int, int, str]:
    """Return lowest and highest value and the format of the registers."""
    if attr.name == "reason":
        return 0, max(Why), "uint32"
    if attr.name == "state":
        return 0, max(State), "uint32"
    if attr.name in COUNTS or (attr.name.startswith("suspect_") and not attr.name.endswith("_rn")):
        return 0, COUNT_MAX, "uint32"
    return *RANGES.get(attr.unit, OTHER_RANGE), "float32"


def devices(buses: Sequence[str], channels: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of devices.csv: estimator, detectors, buses, channels (tags of points)."""
    rows = [device("SE.EST", "estimator", "estimator.estimator", UNIT, ir=ESTIMATOR_IR, di=ESTIMATOR_DI)]
    for k, name in enumerate(DETECTORS):
        places = {"ir": DETECTOR_IR + DETECTOR_SPAN * k, "di": DETECTOR_DI + 8 * k}
        rows.append(device(f"SE.DET_{name.upper()}", "detector", f"detector.{name}", UNIT, **places))
    for k, bus in enumerate(buses):
        tag = f"SE.{bus.replace('bus', 'b', bus[3:].isdigit()).upper()}"
        rows.append(device(tag, "estimate", f"estimate.{bus}", UNIT, ir=ESTIMATE_IR + ESTIMATE_SPAN * k))
    for k, channel in enumerate(channels):
        tag = f"SE.R_{channel.replace('.', '_')}"
        rows.append(device(tag, "residual", f"residual.{channel}", UNIT, ir=RESIDUAL_IR + RESIDUAL_SPAN * k))
    return rows


ENDS = 4
"""Monitored ends of each feeder."""


def monitored(network: Network) -> list[str]:
    """Return the buses whose estimated voltages are published.

    Both sides of every breaker and recloser (the substation's bus, the feeder heads and the output of the
    regulators among them), then the three-phase ends of each feeder that lie farthest along the lines.
    """
    switches = [s for s in network.switches if s.kind != "fuse"]
    found = list(dict.fromkeys(bus for s in switches for bus in (s.bus1, s.bus2)))
    head_of, distance = _along(network)
    lines = [(line.bus1, line.bus2) for line in network.lines if len(line.nodes1) >= 3]
    degree = {bus: sum(bus in ends for ends in lines) for bus in distance}
    ends = sorted((b for b, d in degree.items() if d == 1), key=lambda b: (-distance[b], b))
    for head in dict.fromkeys(head_of.values()):
        found += [b for b in ends if head_of[b] == head and b not in found][:ENDS]
    return list(dict.fromkeys(found))


def _along(network: Network) -> tuple[dict[str, str], dict[str, float]]:
    """Return the feeder head of every bus behind one, and how far along the lines it is from there.

    Distances are in the unit of the lines, which is the same for all of them.
    """
    closed = [s for s in network.switches if s.is_closed and s.name.endswith("01")]
    head_of = {s.bus2: s.bus2 for s in closed}
    distance = dict.fromkeys(head_of, 0.0)
    edges = [(x.bus1, x.bus2, x.length) for x in network.lines]
    edges += [(s.bus1, s.bus2, 0.0) for s in network.switches if s.is_closed and s not in closed]
    waiting = list(head_of)
    while waiting:
        bus = waiting.pop()
        for a, b, length in edges:
            for here, there in ((a, b), (b, a)):
                if here == bus and there not in head_of:
                    head_of[there], distance[there] = head_of[bus], distance[bus] + length
                    waiting.append(there)
    return head_of, distance


def channel_tags(tags: Collection[str]) -> list[str]:
    """Return the points that any shipped telemetry set names and that a list has."""
    named = dict.fromkeys(
        tag for name in paths.names("telemetry") for tag in telemetry_files.channel_tags(name)
    )
    return [tag for tag in named if tag in tags]


def rows_of(name: str) -> list[dict[str, str]]:
    """Return the rows of a shipped point list, whose network has the same name."""
    network = read_network(paths.find("networks", name))
    tags = [p.tag for p in read_points(paths.find("points", name), None).core]
    return devices(monitored(network), channel_tags(tags))


def replace_rows(path: Path, rows: Iterable[dict[str, str]], kinds: Collection[str] = KINDS) -> None:
    """Write rows in place of those of the same component kinds that a table of devices has.

    Rows of processes stand behind all others, in the processes' order.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        head, kept = list(reader.fieldnames or ()), [r for r in reader if kind(r) not in kinds]
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, head, lineterminator="\n")
        out.writeheader()
        out.writerows(sorted([*kept, *rows], key=lambda r: rank(kind(r))))


def main() -> None:
    """Write templates and rows."""
    folder = templates_folder()
    for name in KINDS:
        (folder / f"{name}.toml").write_text(template(REGISTRY[name]), encoding="utf-8")
    for name in LISTS:
        rows = rows_of(name)
        replace_rows(paths.find("points", name) / "devices.csv", rows)
        sys.stdout.write(f"{name}: {len(rows)} rows of points\n")


if __name__ == "__main__":
    main()
