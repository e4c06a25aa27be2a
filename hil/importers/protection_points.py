"""Point templates of the protection functions, made from their declarations, and the devices of a scheme.

``python -m hil.importers.protection_points`` writes the templates into config/points/templates. An element
has a template with its outputs and one with its settings; every settings group is a device of its own.
"""

from __future__ import annotations

import csv
import dataclasses as dc
import functools
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hil import paths
from hil.plant_settings import declare_all
from hil.publishers import rank
from rtcore.assembly.instances import FUNCTIONS
from rtcore.component import REGISTRY, Spec, is_whole, settings_kind
from rtcore.plant.attack import MODES
from rtcore.protection.injection import F_MAX_HZ, F_MIN_HZ, TOKENS
from rtcore.protection.relay import GROUPS_MAX
from rtcore.protection.scheme import Relay, Scheme

FIRST_REGISTER = 6
"""Registers before it would be the block's stamp."""

OUTPUTS = {"is_pickup": "PICKUP", "is_operated": "OPERATED", "fraction": "TIMER"}
HIDDEN: dict[str, tuple[str, ...]] = {
    "recloser_79": ("is_trip", "is_blocking", "is_sequence", "is_tagged", "is_held", "is_short_reset",
                    "is_remote"),
    "breaker_failure_50bf": ("is_seen_closed", "is_52a", "is_above", "is_current"),
    "rocof_81r": ("is_beyond",),
    "directional_67": ("is_operated", "fraction"),
    "relay": ("is_quiet",),
    "fault": ("is_armed",),
    "attack": ("is_armed",),
    "breaker": (
        "is_52a", "is_52b", "is_untagged", "is_not_open", "is_not_closed", "is_not_locked_out",
        "is_locked_out", "is_close_refused", "is_told_to_trip",
    ),
}  # fmt: skip
"""Kind -> flags that are the kernel's own, or that another template shows."""

OFF_ON = ["OFF", "ON"]
RANGE_MAX = 1000000
RANGES = {
    "fraction": (0.0, 1.0),
    "group_sp": (1.0, 4.0),
    "vt_lost_sp": (0.0, 4.0),
    "place_sp": (0, RANGE_MAX),
    "fraction_sp": (0.0, 1.0),
    "type_sp": (0, 7),
    "phases_sp": (0, 7),
    "r_ohm_sp": (0.0, 1e9),
    "life_sp": (0, 3),
    "entry_sp": (0, RANGE_MAX),
    "target_sp": (0, RANGE_MAX),
    "mode_sp": (0, len(MODES) - 1),
    "b_sp": (0.0, RANGE_MAX),
    "location_sp": (0, RANGE_MAX),
    "play_sp": (0, RANGE_MAX),
    "token_in_sp": (0, TOKENS - 1),
    "f_hz_sp": (F_MIN_HZ, F_MAX_HZ),
    **dict.fromkeys(("duration_s_sp", "deionise_s_sp", "on_s_sp", "off_s_sp"), (0.0, RANGE_MAX)),
}
"""Attribute -> lowest and highest value of its point."""

WHOLE_SETPOINTS = (
    "group_sp", "place_sp", "type_sp", "phases_sp", "life_sp", "entry_sp", "vt_lost_sp", "location_sp",
    "play_sp", "token_in_sp", "target_sp", "mode_sp",
)  # fmt: skip
WHOLE = (
    "group", "targets", "first_element", "trips", "state", "shot", "cycles", "lockout_reason", "replaced",
    "refusal", "strikes", "token", "round_trips", "records", "frame",
)  # fmt: skip
"""Outputs that count, number or hold bits."""

HEALTH = ("token_in_sp", "round_trip_s", "round_trips")
"""Attributes that follow from the wall clock: their points are no part of the plant's history."""

RELAY_UNIT_FIRST = 11
ELEMENT_IR, ELEMENT_DI, ELEMENT_CO = 1000, 64, 64
ELEMENT_SPAN, SETTINGS_SPAN, BITS_SPAN = 40, 60, 16


def template(spec: Spec, shown: Sequence[str]) -> str:
    """Return the template of a component: every flag and command, and the named further attributes."""
    rows: list[dict[str, Any]] = []
    names = {a.name for a in spec.attrs if not a.writable and a.name in shown}
    following = {"co": 0, "di": 0, "ir": FIRST_REGISTER, "hr": 0}

    def place(table: str, suffix: str = "", width: int = 1) -> str:
        at = following[table]
        following[table] += width
        return f"{table}:{at}{suffix}"

    for attr in spec.attrs:
        name = OUTPUTS.get(attr.name, _name(attr.name))
        if attr.name.removesuffix("_sp") in names and attr.writable:
            name += "_SP"  # beside the value in force
        head = {"name": name, "attr": attr.name}
        text: dict[str, Any] = {"description": attr.doc}
        if attr.name in HEALTH:
            text["is_health"] = True
        is_flag = attr.name.startswith("is_")
        low, high = RANGES.get(attr.name, (-RANGE_MAX, RANGE_MAX))
        unit = {"unit": attr.unit} if attr.unit else {}
        if attr.writable == "pulse":
            rows.append({**head, "kind": "control", **text, "modbus": place("co")})
        elif attr.writable and is_flag:
            rows.append({**head, "kind": "setpoint", "states": OFF_ON, **text, "modbus": place("co")})
        elif attr.writable:
            span = {"kind": "setpoint", **unit, "min": low, "max": high}
            number = ":uint32" if attr.name in WHOLE_SETPOINTS else ":float32"
            rows.append({**head, **span, **text, "modbus": place("hr", number, 2)})
        elif is_flag and attr.name not in HIDDEN.get(spec.kind, ()):
            rows.append({**head, "kind": "status", "states": OFF_ON, **text, "modbus": place("di")})
        elif attr.name in (*shown, "fraction") and attr.name not in HIDDEN.get(spec.kind, ()):
            is_count = attr.name in WHOLE
            low, high = (0, 2**32 - 1) if is_count else (low, high)
            span = {"kind": "analog", **unit, "min": low, "max": high, "instrument": "exact"}
            number = ":uint32" if is_count else ":float32"
            rows.append({**head, **span, **text, "modbus": place("ir", number, 2)})
    return _toml(f"{spec.kind.replace('_', ' ')}", rows)


def settings_template(spec: Spec) -> str:
    """Return the template of one settings group: every parameter is a setpoint."""
    rows, register = [], 0
    for field in dc.fields(spec.params):
        meta = field.metadata
        choices, limits = meta["choices"], meta["limits"]
        row: dict[str, Any] = {"name": _name(field.name), "attr": f"{field.name}_sp", "kind": "setpoint"}
        if meta["unit"]:
            row["unit"] = meta["unit"]
        is_counted = is_whole(field)
        row["min"] = min(choices.values()) if choices else limits.get("ge", -RANGE_MAX)
        row["max"] = max(choices.values()) if choices else limits.get("le", RANGE_MAX)
        words = "; " + ", ".join(f"{v:g} {k}" for k, v in choices.items()) if choices else ""
        row["description"] = meta["doc"] + words
        row["modbus"] = f"hr:{register}:{'uint32' if is_counted else 'float32'}"
        register += 2  # without holes, so that one request writes a whole group
        rows.append(row)
    return _toml(f"{spec.kind}: settings of one group", rows, has_stamp=False)


def _name(attr: str) -> str:
    return attr.removesuffix("_sp").removeprefix("is_").upper()


def _toml(description: str, rows: Sequence[dict[str, Any]], *, has_stamp: bool = True) -> str:
    lines = [f"description = {json.dumps(description)}", *(["stamp = 0"] if has_stamp else []), "points = ["]
    for row in rows:
        cells = ", ".join(f"{k} = {json.dumps(v)}" for k, v in row.items())
        lines.append(f"  {{ {cells} }},")
    return "\n".join([*lines, "]", ""])


SHOWN: dict[str, tuple[str, ...]] = {
    "relay": ("group", "targets", "first_element", "trips", "trip_time_s", "trip_current_a"),
    "relay_inputs": (
        *(f"{k}_{unit}" for k in ("ia", "ib", "ic", "i1", "i2", "i0", "in") for unit in ("a", "deg")),
        *(f"{k}_{unit}" for k in ("va", "vb", "vc", "v1", "v2", "v0") for unit in ("v", "deg")),
        "f_hz",
        "ct_factor",
    ),
    "thermal_49": ("theta",),
    "undervoltage_27": ("v_pu",),
    "overvoltage_59": ("v_pu",),
    "frequency_81": ("seen_hz",),
    "rocof_81r": ("slope_hz_s",),
    "negative_sequence_46": ("i2_pu", "ratio"),
    "fuse": ("replaced",),
    "fault": ("refusal", "ia_a", "ib_a", "ic_a", "i0_a", "left_s", "strikes"),
    "arming": ("time_left_s",),
    "attack": ("true_value", "left_s", "refusal"),
    "injection": (
        "token",
        "round_trip_s",
        "round_trips",
        "on_s",
        "f_hz",
        "frame",
        "records",
        *(f"seen_i{k}_a" for k in "abcn"),
        *(f"seen_v{k}_v" for k in "abc"),
    ),
    "recloser_79": ("state", "shot", "open_timer_s", "reset_timer_s", "cycles", "lockout_reason"),
}
"""Kind -> attributes that have a point beside flags, commands and timer."""


def devices(scheme: Scheme, areas: dict[str, str]) -> Iterator[dict[str, str]]:
    """Give the device rows of every relay; ``areas``: breaker -> first level of its tags."""
    for k, relay in enumerate(scheme.relays):
        yield from _relay_devices(relay, areas[relay.breaker], RELAY_UNIT_FIRST + k)


def _relay_devices(relay: Relay, area: str, unit: int) -> Iterator[dict[str, str]]:
    tag = f"{area}.R_{relay.name.upper()}"
    yield device(tag, "relay", f"relay.{relay.name}", unit, ir=100, hr=100, co=16, di=16)
    yield device(f"{tag}_LAB", "breaker_lab", f"breaker.{relay.breaker}", unit, ir=300, hr=200, di=48)
    yield device(f"{tag}_IN", "relay_inputs", f"relay_inputs.{relay.name}", unit, ir=200, hr=300, di=32)
    for e, element in enumerate(relay.elements):
        name = f"{relay.name}.{element.name}"
        places = {"ir": ELEMENT_IR + e * ELEMENT_SPAN, "di": ELEMENT_DI + e * BITS_SPAN}
        places["co"] = ELEMENT_CO + e * BITS_SPAN
        of = f"{tag}_{element.name.upper()}"
        yield device(of, element.function, f"{element.function}.{name}", unit, **places)
        for g in range(1, len(element.settings) + 1):
            kind = settings_kind(element.function)
            at = ELEMENT_IR + SETTINGS_SPAN * (GROUPS_MAX * e + g - 1)
            yield device(f"{of}_G{g}", kind, f"{kind}.{name}.{g}", unit, hr=at)


@functools.cache
def tables(template_name: str) -> tuple[str, ...]:
    """Return the Modbus tables that a shipped template has points or a stamp in."""
    raw = tomllib.loads((templates_folder() / f"{template_name}.toml").read_text(encoding="utf-8"))
    used = {point["modbus"].partition(":")[0] for point in raw["points"]}
    return tuple(sorted(used | ({"ir"} if "stamp" in raw else set())))


def templates_folder() -> Path:
    """Return where the shipped templates are."""
    return paths.find("points", "iowa240").parent / "templates"


def device(tag: str, template_name: str, component: str, unit: int, **bases: int) -> dict[str, str]:
    """Return one row of devices.csv."""
    columns = {"ir": "input_base", "hr": "holding_base", "co": "coil_base", "di": "discrete_base"}
    bases = {t: bases[t] for t in tables(template_name)}
    row = {"device": tag, "template": template_name, "component": component, "terminal": "", "bus": ""}
    row["modbus_unit"] = str(unit)
    return row | {c: str(bases[t]) if t in bases else "" for t, c in columns.items()}


def write_devices(base: Path, target: Path, rows: Sequence[dict[str, str]]) -> None:
    """Write a table of devices: the base's, rows behind them, and those of processes that it has."""
    with base.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        head, kept = list(reader.fieldnames or ()), list(reader)
    behind = published_rows(target) if not published_rows(base) else []
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, head, lineterminator="\n")
        out.writeheader()
        out.writerows([*kept, *rows, *behind])


def kind(row: Mapping[str, str]) -> str:
    """Return the component kind of a device."""
    return row["component"].partition(".")[0]


def published_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table of devices that processes beside the core publish."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [r for r in csv.DictReader(file) if rank(kind(r))]


def main() -> None:
    """Write the templates."""
    declare_all()
    folder = templates_folder()
    for kind in (*SHOWN, *(k for k in FUNCTIONS if k not in SHOWN)):
        spec = REGISTRY[kind]
        (folder / f"{kind}.toml").write_text(template(spec, SHOWN.get(kind, ())), encoding="utf-8")
    for kind in FUNCTIONS:
        (folder / f"{settings_kind(kind)}.toml").write_text(
            settings_template(REGISTRY[kind]), encoding="utf-8"
        )
    sys.stdout.write(f"{2 * len(FUNCTIONS)} templates in {folder}\n")


if __name__ == "__main__":
    main()
