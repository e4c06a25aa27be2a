"""A recorded run done again: the same bit for bit, or where it first is not."""

from __future__ import annotations

import dataclasses as dc
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from hil import replay_command
from hil.cli import app
from hil.engine_snapshot import Snapshot
from hil.recorder import images, run_folder
from hil.recorder.configuration import part_hashes
from hil.recorder.event_tail import EventTail
from hil.recorder.journal import Journal, frames
from hil.recorder.soe import COUNTED, Namer, Soe
from hil.recorder.soe_writer import SoeWriter
from hil.replay import RELATIVE, Outcome, replay
from hil.replay_run import RecordedRun, read_run
from hil.runspec import RunSpec
from hil.station import make_setup, read_plan
from rtcore import board as bd
from rtcore.engine import Engine
from rtcore.errors import UserInputError
from tests.support.replay import _snapshot

DT_NS = 10_000_000
SEED = 5
STEPS_PER_IMAGE = 40
N_IMAGES = 5
COMMANDS = {
    17: [("SUB.LOAD.SCALE_SP", 1.3), ("SUB.REG_A.TAP_SP", 4.0)],
    55: [("FDR_A.CB_101.TRIP", 1.0)],
    56: [("SUB.REG_A.TAP_SP", 99.0)],  # out of range: refused
    130: [("FDR_A.CB_101.CLOSE", 1.0)],
}
"""Step -> group."""

Alter = Callable[[Soe], Soe | None]


@dc.dataclass
class Recording:
    """A run made without processes; ``fresh`` brings its engine back to the start."""

    folder: Path
    engine: Engine
    start: Snapshot

    def replay(self, folder: Path, *, exactly: bool = True) -> Outcome:
        self.start.restore()
        return replay(read_run(folder), self.engine, exactly=exactly, tick=lambda _done, _total: None)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    tmp_path = tmp_path_factory.mktemp("run")
    plan = read_plan("iowa240")
    engine = Engine(make_setup(plan, DT_NS, {"seed": SEED}))
    engine.step(0)
    start = Snapshot(engine)
    profile = plan.station.read_profile([x.name for x in plan.network.loads], None)
    spec = RunSpec(
        name="iowa240",
        station="Iowa",
        run_dir=tmp_path,
        state_dir=tmp_path,
        points=engine.points,
        stamps=[],
        modbus={},
        opcua={},
        core={"station": str(plan.station.path), "dt_ns": DT_NS, "period_ns": DT_NS, "speed": 1.0}
        | {"seed": SEED, "duration_s": None, "run_id": "0badcafe"},
        started_utc_ns=1_700_000_000_000_000_000,
        recorder={"configuration": part_hashes(plan, profile)},
    )
    folder = run_folder.open_folder(spec)
    record(engine, folder)
    return Recording(folder, engine, start)


def record(engine: Engine, folder: Path, commands: dict[int, list[tuple[str, float]]] = COMMANDS) -> None:
    events = EventTail(engine.world.events.base)
    writer = SoeWriter(
        events,
        Namer(engine.points, ()),
        Journal(folder / run_folder.SOE),
        lambda: "0",
        lambda _at, _seq: None,
        lambda: None,
    )
    kept = Journal(folder / run_folder.IMAGES)
    for step in range(N_IMAGES * STEPS_PER_IMAGE):
        if step in commands:
            engine.command(commands[step])
        engine.step()
        if (step + 1) % STEPS_PER_IMAGE == 0:
            snapshot = _snapshot(bd.Image(engine.world.image, len(engine.points)))
            kept.commit([images.encode(snapshot, events.head)])
            writer.turn()
    writer.turn(is_last=True)


@pytest.fixture
def copied(recording: Recording, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recording.folder, tmp_path / "copy"))


def alter(folder: Path, change: Alter) -> None:
    """Write the journal anew with some records changed or left out: one that is whole, and untrue."""
    path = folder / run_folder.SOE
    found = [change(Soe.decode(f.body)) for f in frames(path)]
    path.unlink()
    Journal(path).commit([r.encode() for r in found if r is not None])


def alter_run(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / run_folder.RUN
    row = json.loads(path.read_text())
    change(row)
    path.write_text(json.dumps(row))


def alter_image(folder: Path, number: int, change: Callable[[images.Recorded], None]) -> None:
    path = folder / run_folder.IMAGES
    found = [dc.replace(i, values=i.values.copy(), quality=i.quality.copy()) for i in images.read(path)]
    change(found[number])
    path.unlink()
    made = [
        images.encode(
            bd.Snapshot(i.step, i.utc_ns, 0, 0, DT_NS, 0, i.digest, i.values, i.quality), i.position
        )
        for i in found
    ]
    Journal(path).commit(made)


def command(folder: Path) -> tuple[int, dict[str, Any], str]:
    done = CliRunner().invoke(app, ["replay", str(folder), "--json"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, json.loads(done.stdout), done.stdout


def test_a_run_with_commands_is_reproduced_bit_for_bit(recording: Recording) -> None:
    code, found, _ = command(recording.folder)
    assert code == 0
    assert (found["verdict"], found["seed"], found["comparison"]) == ("PASS", SEED, "bit for bit")
    assert found["commands"] == 4, "the refused one is none"
    assert found["last_step"] == N_IMAGES * STEPS_PER_IMAGE - 1
    compared = {row["name"]: (row["verdict"], row["compared"]) for row in found["results"]}
    assert compared["image"] == compared["digest"] == ("PASS", N_IMAGES)
    verdict, n_events = compared["event"]
    assert verdict == "PASS" and n_events >= 2, "the breaker opened and closed"
    assert len(found["config_hash"]) == 64


def test_a_flipped_command_is_found_and_located(recording: Recording, copied: Path) -> None:
    def change(r: Soe) -> Soe:
        return dc.replace(r, new=1.3000001) if r.tag == "SUB.LOAD.SCALE_SP" else r

    alter(copied, change)
    code, found, _ = command(copied)
    assert (code, found["verdict"]) == (1, "FAIL")
    (failed,) = [row for row in found["results"] if row["verdict"] == "FAIL"]
    first = failed["first_difference"]
    assert (failed["name"], first["step"], first["after_step"]) == ("image", STEPS_PER_IMAGE - 1, -1)
    assert first["tag"] in {p.tag for p in recording.engine.points}
    assert first["recorded"] != first["replayed"]
    between = [(c["step"], c["tag"], c["value"]) for c in first["commands_between"]]
    assert between == [(17, "SUB.LOAD.SCALE_SP", 1.3000001), (17, "SUB.REG_A.TAP_SP", 4.0)]


def test_a_command_at_another_step_is_found_where_the_breaker_moves(
    recording: Recording, copied: Path
) -> None:
    alter(copied, lambda r: dc.replace(r, step=57) if r.tag == "FDR_A.CB_101.TRIP" else r)
    found = recording.replay(copied).difference
    assert found is not None
    assert found.what == "event" and 55 <= found.step < 2 * STEPS_PER_IMAGE - 1
    assert found.tag.startswith("FDR_A.CB_101.")
    assert found.after_step == STEPS_PER_IMAGE - 1, "the first image is as recorded"


def test_a_change_that_is_left_out_of_the_record_is_found_at_its_step(
    recording: Recording, copied: Path
) -> None:
    left_out: list[Soe] = []

    def change(r: Soe) -> Soe | None:
        if r.kind == "status" and r.step > 55 and not left_out:
            left_out.append(r)
            return dc.replace(r, kind="slip")
        return r

    alter(copied, change)
    found = recording.replay(copied).difference
    assert found is not None
    assert (found.what, found.step, found.tag) == ("event", left_out[0].step, left_out[0].tag)
    assert (found.recorded, found.replayed) == (None, left_out[0].new)


TOKENS = tuple(f"LAB.INJECT.{name}" for name in ("TOKEN_IN", "ROUND_TRIP_S", "ROUND_TRIPS"))
"""Of the test set: what follows from the tokens that a device echoes."""


def test_commands_to_points_of_health_are_known_by_their_steps_alone_and_the_run_is_reproduced(
    recording: Recording, tmp_path: Path
) -> None:
    """A device that echoes a token gives one every few steps; after each the digest takes settings in."""
    plan = read_plan("iowa240")
    points = [dc.replace(p, is_health=p.is_health or p.tag in TOKENS) for p in plan.points.points]
    plan = dc.replace(plan, points=dc.replace(plan.points, points=points))
    engine = Engine(make_setup(plan, DT_NS, {"seed": SEED}))
    engine.step(0)
    start = Snapshot(engine)
    folder = Path(shutil.copytree(recording.folder, tmp_path / "echoed"))
    for name in (run_folder.SOE, run_folder.IMAGES):
        (folder / name).unlink()
    tokens = {k: [("LAB.INJECT.TOKEN_IN", float(k))] for k in range(3, N_IMAGES * STEPS_PER_IMAGE, 4)}
    record(engine, folder, {k: tokens.get(k, []) + COMMANDS.get(k, []) for k in tokens | COMMANDS})
    kept = [Soe.decode(f.body) for f in frames(folder / run_folder.SOE)]
    assert not any(r.tag == "LAB.INJECT.TOKEN_IN" and r.kind != COUNTED for r in kept)
    run = read_run(folder)
    assert run.counted == sorted(tokens)
    start.restore()
    found = replay(run, engine, exactly=True, tick=lambda _done, _total: None)
    assert (found.difference, found.n_images) == (None, N_IMAGES)
    start.restore()
    without = replay(dc.replace(run, counted=[]), engine, exactly=True, tick=lambda _done, _total: None)
    assert without.difference is not None and without.difference.what == "digest"


def test_a_digest_that_differs_between_equal_images_is_found(recording: Recording, copied: Path) -> None:
    path = copied / run_folder.IMAGES
    made = []
    for k, i in enumerate(images.read(path)):
        digest = i.digest ^ 1 if k == 2 else i.digest
        s = bd.Snapshot(i.step, i.utc_ns, 0, 0, DT_NS, 0, digest, i.values, i.quality)
        made.append(images.encode(s, i.position))
    path.unlink()
    Journal(path).commit(made)
    found = recording.replay(copied).difference
    assert found is not None
    assert (found.what, found.step) == ("digest", 3 * STEPS_PER_IMAGE - 1)
    assert recording.replay(copied, exactly=False).difference is None


@pytest.mark.parametrize(("factor", "is_same"), [(0.5, True), (10.0, False)])
def test_elsewhere_values_may_differ_by_a_billionth(
    recording: Recording, copied: Path, factor: float, is_same: bool
) -> None:
    tag = "SUB.SRC.V_SP"
    at = recording.engine.index[tag]

    def change(image: images.Recorded) -> None:
        image.values[at] *= 1.0 + factor * RELATIVE

    alter_image(copied, 1, change)
    outcome = recording.replay(copied, exactly=False)
    assert (outcome.difference is None) is is_same
    assert outcome.largest_relative == pytest.approx(factor * RELATIVE, rel=1e-5)  # of 1e-16 / 1e-9 at best
    exact = recording.replay(copied).difference
    assert exact is not None
    assert (exact.what, exact.tag, exact.step) == ("image", tag, 2 * STEPS_PER_IMAGE - 1)


def test_quality_counts_as_well(recording: Recording, copied: Path) -> None:
    at = recording.engine.index["SUB.SRC.V_SP"]

    def change(image: images.Recorded) -> None:
        image.quality[at] = 64

    alter_image(copied, 0, change)
    for exactly in (True, False):
        found = recording.replay(copied, exactly=exactly).difference
        assert found is not None
        assert (found.recorded, found.replayed) == ("quality 64", "quality 0")


def test_points_of_the_hosts_health_are_left_out(recording: Recording, copied: Path) -> None:
    health = np.array([p.is_health for p in recording.engine.points])

    def change(image: images.Recorded) -> None:
        image.values[health] += 1.0

    alter_image(copied, 0, change)
    assert recording.replay(copied).difference is None


def test_on_another_processor_it_compares_within_a_billionth_and_says_so(copied: Path) -> None:
    alter_run(copied, lambda row: row["host"].update(cpu_model="Another Processor"))
    code, found, _ = command(copied)
    assert (code, found["verdict"], found["comparison"]) == (0, "PASS", "within 1e-09 relative")
    assert "Another Processor" in found["because"][0]
    assert [row["name"] for row in found["results"]] == ["image"]


def test_a_station_that_has_changed_is_refused_part_by_part(copied: Path) -> None:
    alter_run(copied, lambda row: row["configuration"].update(network="0" * 64, load="1" * 64))
    with pytest.raises(UserInputError) as caught:
        replay_command.run(copied, None, lambda _done, _total: None)
    assert [p.place for p in caught.value.problems] == ["load", "network"]


# ---- damage ----------------------------------------------------------------------------------------


def problems(folder: Path) -> list[tuple[str, str, str]]:
    with pytest.raises(UserInputError) as caught:
        read_run(folder)
    return [(Path(p.file).name, p.place, p.what) for p in caught.value.problems]


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_whole_folder_is_read(recording: Recording) -> None:
    run: RecordedRun = read_run(recording.folder)
    assert (run.n_images, run.n_uncovered) == (N_IMAGES, 0)
    assert [(c.step, c.tag) for c in run.commands] == [
        (step, tag) for step, group in COMMANDS.items() for tag, _ in group if step != 56
    ]


def test_a_folder_of_something_else_is_one_report(tmp_path: Path) -> None:
    ((_, place, what),) = problems(tmp_path)
    assert (place, what) == ("", "is not the folder of a recorded run (no run.json in it)")
    (tmp_path / run_folder.SOE).write_bytes(b"")
    assert {"images.journal", "run.json"} <= {name for name, _, _ in problems(tmp_path)}
    ((_, _, what),) = problems(tmp_path / run_folder.SOE)
    assert what == "is a file; name the folder of a recorded run"
    assert problems(tmp_path / "nowhere") == [
        ("nowhere", "", "no such folder; name the folder of a recorded run")
    ]


def test_every_damage_is_told_in_one_report(copied: Path) -> None:
    flip(copied / run_folder.SOE, 200)
    flip(copied / run_folder.IMAGES, 200)
    alter_run(copied, lambda row: row["core"].update(dt_ns=0, seeds=3))
    found = problems(copied)
    assert [(file, place) for file, place, _ in found] == [
        ("images.journal", "byte 8"),
        ("run.json", "core.dt_ns"),
        ("run.json", "core.seeds"),
        ("soe.journal", found[-1][1]),
    ]
    assert "checksum" in found[0][2] and "checksum" in found[-1][2]
    assert "did you mean 'seed'" in found[2][2]


def test_events_that_were_not_recorded_are_told(copied: Path) -> None:
    alter(copied, lambda r: None if r.pos == 3 else r)
    assert problems(copied) == [
        (
            "soe.journal",
            "record 4",
            "events from position 3 on were not recorded: commands may be among them",
        )
    ]


def test_a_run_whose_last_events_never_reached_the_disk_is_compared_as_far_as_they_did(
    recording: Recording, copied: Path
) -> None:
    path = copied / run_folder.SOE
    path.write_bytes(path.read_bytes()[:-10])
    run = read_run(copied)
    assert 0 < run.n_images < N_IMAGES and run.n_images + run.n_uncovered == N_IMAGES
    assert recording.replay(copied).difference is None


def keep_images(folder: Path, n: int) -> None:
    path = folder / run_folder.IMAGES
    kept = [f.body for f in frames(path)][:n]
    path.unlink()
    Journal(path).commit(kept)


def slow(folder: Path, period_ns: int) -> None:
    alter_run(folder, lambda row: row["core"].update(period_ns=period_ns))


def test_a_run_most_of_whose_images_are_gone_does_not_pass(copied: Path) -> None:
    slow(copied, 10 * DT_NS)  # a second and a half of the plant took ten times as long
    keep_images(copied, 1)
    run = read_run(copied)
    assert (run.last_step, run.n_beyond) == (STEPS_PER_IMAGE - 1, run.last_record - STEPS_PER_IMAGE + 1)
    code, found, _ = command(copied)
    assert (code, found["verdict"]) == (1, "INCOMPLETE")
    assert found["not_compared_s"] == pytest.approx(run.n_beyond * DT_NS / 1e9)
    told = CliRunner().invoke(app, ["replay", str(copied)]).output
    compared, of = STEPS_PER_IMAGE * DT_NS / 1e9, (run.last_record + 1) * DT_NS / 1e9
    assert f"only {compared:g} s of {of:g} s could be compared" in told


def test_a_run_most_of_whose_events_are_gone_does_not_pass(copied: Path) -> None:
    slow(copied, 10 * DT_NS)
    first = next(images.read(copied / run_folder.IMAGES))
    alter(copied, lambda r: r if r.pos < first.position else None)
    run = read_run(copied)
    assert (run.n_images, run.n_uncovered) == (1, N_IMAGES - 1)
    assert run.n_beyond == N_IMAGES * STEPS_PER_IMAGE - 1 - run.last_step
    code, found, _ = command(copied)
    assert (code, found["verdict"]) == (1, "INCOMPLETE")


def test_a_run_that_ends_between_two_images_passes(copied: Path) -> None:
    keep_images(copied, 1)  # what follows took less than two seconds
    run = read_run(copied)
    assert run.last_record > run.last_step and run.n_beyond == 0
    code, found, _ = command(copied)
    assert (code, found["verdict"], found["not_compared_s"]) == (0, "PASS", 0.0)


def test_while_the_disk_is_low_images_may_be_a_minute_apart(copied: Path) -> None:
    slow(copied, 10 * DT_NS)
    keep_images(copied, 1)
    run = read_run(copied)
    low = dc.replace(run.statuses[0], tag="SUB.REC.DISK_LOW", step=1, old=0.0, new=1.0)
    assert dc.replace(run, statuses=[low, *run.statuses]).n_beyond == 0
    over = dc.replace(low, step=2, old=1.0, new=0.0)
    assert dc.replace(run, statuses=[low, over]).n_beyond > 0, "it was low no longer"


def test_a_run_as_fast_as_can_be_is_measured_by_its_own_images(copied: Path) -> None:
    slow(copied, 0)
    keep_images(copied, 1)
    run = read_run(copied)
    assert (run.widest, run.n_beyond) == (STEPS_PER_IMAGE, 0)
    assert dc.replace(run, last_record=7 * STEPS_PER_IMAGE).n_beyond > 0


def test_a_run_of_another_version_is_told_apart_from_damage(copied: Path) -> None:
    alter_run(copied, lambda row: row.update(format=2, tags=None))
    assert [place for _, place, _ in problems(copied)] == ["format"]
