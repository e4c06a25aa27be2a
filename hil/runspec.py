"""Run specification: what the command line hands to the processes of one station run.

One JSON file in the run directory, written once before any process starts. Light imports
only: a gateway that restarts reads it first.
"""

from __future__ import annotations

import dataclasses as dc
import json
from pathlib import Path
from typing import Any, ClassVar

from rtcore.points import Point

PRODUCERS = ("modbus", "opcua", "console", "device", "bench", "recorder", "forecaster", "dispatcher")
"""One command ring per producer process."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """Everything a child process needs to know; plain data."""

    URL_FILE: ClassVar[str] = "opcua.url"
    """File of the run directory with the address that the OPC UA server really has."""

    name: str
    """The station's short name: a word in ASCII, safe in file names and identifiers."""
    station: str
    """Its title, for people."""
    run_dir: Path
    state_dir: Path
    points: list[Point]
    stamps: list[dict[str, Any]]
    """Modbus stamp blocks: {"unit", "address", "device"}; see ``protocols.modbus_map``."""
    modbus: dict[str, Any]
    opcua: dict[str, Any]
    core: dict[str, Any]
    started_utc_ns: int
    device: dict[str, Any] = dc.field(default_factory=dict)
    """What gw-device needs (``hil.wiring_files.device_dict``); empty: no such process."""
    recorder: dict[str, Any] = dc.field(default_factory=dict)
    """What the recorder needs: the station file's table, and ``configuration``, a hash of each part of
    the station; empty: no such process."""
    estimation: dict[str, Any] = dc.field(default_factory=dict)
    """What the estimator needs: the station file's table, and where its servers are; empty: no process."""
    published: dict[str, int] = dc.field(default_factory=dict)
    """Process beside the core -> how many points it publishes: the last ones, in this order."""

    attack: str = ""
    """File of the attacks between the core's board and its readers; empty: no such process."""

    @property
    def shown_path(self) -> Path:
        """The board that masters are shown: the core's, or what an attack makes of it."""
        return self.run_dir / "shown.board" if self.attack else self.board_path

    @property
    def n_core(self) -> int:
        """How many points, the first ones, the core publishes."""
        return len(self.points) - sum(self.published.values())

    def points_of(self, publisher: str) -> list[Point]:
        """Return the points that a process beside the core publishes."""
        begin = self.n_core
        for name, count in self.published.items():
            if name == publisher:
                return self.points[begin : begin + count]
            begin += count
        return []

    @property
    def core_stamps(self) -> list[dict[str, Any]]:
        """Stamp blocks of the core's points."""
        own = {p.device for p in self.points[self.n_core :]}
        units = {
            int(p.wire["modbus"].partition(":")[0]) for p in self.points[: self.n_core] if "modbus" in p.wire
        }
        return [s for s in self.stamps if s["unit"] in units and s["device"] not in own]

    @property
    def board_path(self) -> Path:
        """The core's board."""
        return self.board_of("core")

    def board_of(self, publisher: str) -> Path:
        """Return the board of a process."""
        return self.run_dir / f"{publisher}.board"

    @property
    def events_path(self) -> Path:
        """The core's event ring."""
        return self.run_dir / "core.events"

    @property
    def waves_path(self) -> Path:
        """The core's ring of what relays see."""
        return self.run_dir / "core.waves"

    def ring_path(self, producer: str) -> Path:
        """Command and verdict rings of one producer."""
        assert producer in PRODUCERS, producer
        return self.run_dir / f"{producer}.rings"

    def gateway_path(self, producer: str) -> Path:
        """The gateway's own small board (counters and heartbeat), see ``hil.gateway_status``."""
        return self.run_dir / f"{producer}.status"

    def audit_path(self, producer: str) -> Path:
        """The gateway's audit journal."""
        return self.state_dir / f"audit-{producer}.jsonl"

    def save(self) -> Path:
        """Write ``spec.json`` into the run directory and return its path."""
        path = self.run_dir / "spec.json"
        row = dc.asdict(self) | {
            "points": [p.to_dict() for p in self.points],
            "run_dir": str(self.run_dir),
            "state_dir": str(self.state_dir),
        }
        path.write_text(json.dumps(row))
        return path

    @classmethod
    def load(cls, path: Path) -> RunSpec:
        """Read what ``save`` wrote."""
        row = json.loads(path.read_text())
        row["points"] = [Point.from_dict(p) for p in row["points"]]
        row["run_dir"], row["state_dir"] = Path(row["run_dir"]), Path(row["state_dir"])
        return cls(**row)
