"""A recorded run, read and checked: everything that a replay needs, or one report of what is wrong."""

from __future__ import annotations

import dataclasses as dc
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from hil.recorder import images
from hil.recorder.journal import DamagedError, frames
from hil.recorder.run_folder import FORMAT, IMAGES, RUN, SOE
from hil.recorder.soe import COMMAND, COUNTED, DONE, LOST, STATUS
from hil.recorder.soe import Soe as Record
from hil.settings_errors import Section, check_model
from rtcore.errors import Problem, UserInputError

REST_S = 5.0
"""Most that usually follows the last image: images are one a second, and a host may be late [s]."""
LOW_IMAGE_S = 60.0
"""Between two images while there is little room on the disk [s]."""
DISK_LOW = ".DISK_LOW"
"""Ends the tag of the alarm point which tells that there is."""


class StationOf(Section):
    """The station of a run."""

    name: str
    title: str
    path: str


class Pacing(Section):
    """How the run was paced, and its seed."""

    dt_ns: int = Field(gt=0)
    period_ns: int
    speed: float | str
    seed: int = Field(ge=0)
    duration_s: float | None


class Host(Section):
    """What the bits of a run depend on beside its input."""

    lock_hash: str
    kernels: str
    cpu_model: str
    versions: dict[str, str]


class RunFile(Section):
    """``run.json``."""

    format: int
    run_id: str
    started_utc_ns: int
    station: StationOf
    station_sha256: str
    configuration: dict[str, str]
    core: Pacing
    producers: list[str]
    host: Host
    tags: list[str]


@dc.dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run on disk.

    Attributes
    ----------
    commands, statuses : list of Record
        Commands that were done, in the order in which the core did them; changes of two-state points.
    counted : list of int
        Step of each command to a point of health, of which nothing else is kept.
    n_images : int
        Images that can be compared: all events up to them are on record.
    n_uncovered : int
        Images at the end that came before their events were on disk.
    last_step, last_record : int
        Step of the last image that can be compared; of the last event or image that is on record.
    widest : int
        Most steps from one image to the next.
    """

    folder: Path
    run: RunFile
    commands: list[Record]
    statuses: list[Record]
    counted: list[int]
    n_images: int
    n_uncovered: int
    last_step: int
    last_record: int
    widest: int

    @property
    def n_beyond(self) -> int:
        """Steps on record after the last image that can be compared, where an end leaves fewer; or 0."""
        beyond = self.last_record - self.last_step
        return beyond if beyond > self._usual_rest() else 0

    def _usual_rest(self) -> float:
        """Return how many steps may follow the last image: images are one a second, by the wall clock."""
        period_ns = self.run.core.period_ns
        if period_ns <= 0:  # as fast as the host can: what it did from one image to the next
            return REST_S * self.widest
        low = {s.tag: s.new for s in self.statuses if s.tag.endswith(DISK_LOW)}
        rest_s = REST_S + LOW_IMAGE_S if any(low.values()) else REST_S
        return rest_s * 1e9 / period_ns

    def images(self) -> Iterator[images.Recorded]:
        """Yield the images that can be compared, in order of their steps."""
        found = images.read(self.folder / IMAGES)
        for _ in range(self.n_images):
            yield next(found)


def read_run(folder: Path) -> RecordedRun:
    """Read a run folder.

    Raises
    ------
    UserInputError
        Everything that is damaged or not there.
    """
    if not folder.is_dir():
        what = "is a file; name the folder of a recorded run"
        if not folder.exists():
            what = "no such folder; name the folder of a recorded run"
        raise UserInputError([Problem(str(folder), "", what)])
    if not any((folder / name).exists() for name in (RUN, SOE, IMAGES)):
        what = f"is not the folder of a recorded run (no {RUN} in it)"
        raise UserInputError([Problem(str(folder), "", what)])
    run, problems = _run_file(folder / RUN)
    records, damaged = _records(folder / SOE)
    problems += damaged
    end = records[-1].next_pos if records else 0
    found, damaged = _count_images(folder / IMAGES, end, 0 if run is None else len(run.tags))
    problems += damaged
    if not problems and found.covered == 0:
        problems.append(Problem(str(folder / IMAGES), "", "holds no image to compare with"))
    if run is None or problems:
        raise UserInputError(problems)
    commands = [r for r in records if r.kind == COMMAND and r.verdict == DONE]
    statuses = [r for r in records if r.kind == STATUS]
    counted = [step for r in records if r.kind == COUNTED for step in r.all_steps]
    last_record = max((r.all_steps[-1] if r.kind == COUNTED else r.step for r in records), default=-1)
    last_record = max(last_record, found.last)
    return RecordedRun(
        folder,
        run,
        commands,
        statuses,
        counted,
        n_images=found.covered,
        n_uncovered=found.uncovered,
        last_step=found.last_covered,
        last_record=last_record,
        widest=found.widest,
    )


def _run_file(path: Path) -> tuple[RunFile | None, list[Problem]]:
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        return None, [Problem(str(path), "", f"cannot be read: {error.strerror}")]
    except ValueError as error:
        return None, [Problem(str(path), "", f"not JSON: {error}")]
    if isinstance(raw, dict) and raw.get("format", FORMAT) != FORMAT:
        what = f"{raw['format']!r} was written by another version of gridhil; this one reads {FORMAT}"
        return None, [Problem(str(path), "format", what)]
    return check_model(RunFile, raw, str(path))


def _records(path: Path) -> tuple[list[Record], list[Problem]]:
    """Return the records of a journal; a gap among their positions is a problem."""
    records: list[Record] = []
    expected = 0
    try:
        for frame in frames(path):
            record = Record.decode(frame.body)
            if record.kind == LOST or record.pos != expected:
                what = f"events from position {expected} on were not recorded: commands may be among them"
                return records, [Problem(str(path), f"record {frame.seq}", what)]
            if record.kind == COUNTED and len(record.all_steps) != record.new:
                raise ValueError(f"{len(record.all_steps)} steps of {record.new} commands")
            records.append(record)
            expected = record.next_pos
    except OSError as error:
        return records, [Problem(str(path), "", f"cannot be read: {error.strerror}")]
    except DamagedError as error:
        return records, [Problem(str(path), f"byte {error.at}", error.what)]
    except (ValueError, TypeError) as error:
        what = re.sub(r"^Soe\.__init__\(\) ", "", str(error))
        return records, [Problem(str(path), f"record {len(records) + 1}", f"not a record: {what}")]
    return records, []


@dc.dataclass(slots=True)
class _Images:
    """How many images the journal covers and does not; the last one it does; the most steps between two."""

    covered: int = 0
    uncovered: int = 0
    last: int = -1
    last_covered: int = -1
    widest: int = 0

    def add(self, image: images.Recorded, end: int) -> None:
        self.widest = max(self.widest, image.step - self.last)
        self.last = image.step
        if image.position <= end:
            self.covered += 1
            self.last_covered = image.step
        else:
            self.uncovered += 1


def _count_images(path: Path, end: int, n_values: int) -> tuple[_Images, list[Problem]]:
    """Return what images there are, and what is wrong; ``end`` is the position after the last event."""
    found = _Images()
    try:
        for image in images.read(path):
            if n_values and len(image.values) != n_values:
                what = f"{len(image.values)} values for {n_values} points"
                return found, [Problem(str(path), f"step {image.step}", what)]
            if image.step <= found.last:
                what = f"comes after step {found.last}"
                return found, [Problem(str(path), f"step {image.step}", what)]
            found.add(image, end)
    except OSError as error:
        return found, [Problem(str(path), "", f"cannot be read: {error.strerror}")]
    except DamagedError as error:
        return found, [Problem(str(path), f"byte {error.at}", error.what)]
    return found, []
