"""One run of a study, by itself: what a worker does. Clean runs, and runs that are attacked in every way.

All that is drawn follows from the plan's seed, the kind of run and its number, so that it does not matter
which worker does it or when.
"""

from __future__ import annotations

import dataclasses as dc
import datetime as dt
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from estimation.attacks import Attack
from estimation.detectors.bank import NAMES
from estimation.tamper import Tamper
from hil.cyberrange.attacks import Eavesdropper, build
from hil.cyberrange.centre import Centre, Model, Seen
from hil.cyberrange.plan import RangePlan
from hil.cyberrange.plant import Plant, PlantScan
from hil.cyberrange.schema import AttackSection
from rtcore.points import index_of

Floats = npt.NDArray[np.float64]

CALIBRATE, VERIFY, ATTACKED = "calibrate", "verify", "attacked"
LOGGED_SCANS = 3
"""So many scans a command of the centre explains what it commanded."""


@dc.dataclass(frozen=True, slots=True)
class Job:
    """One run to be done: its kind and its number among those of its kind."""

    kind: str
    number: int


@dc.dataclass(frozen=True, slots=True)
class Drawn:
    """What is drawn for a run: when it begins, the seed of plant and instruments, and a source of more."""

    start: dt.datetime
    seed: int
    rng: np.random.Generator


@dc.dataclass(frozen=True, slots=True)
class CleanResult:
    """A run without attack.

    Attributes
    ----------
    values : float64[n_scans, n_detectors]
        Statistics after the warm-up, in the order of ``NAMES``.
    rmse_pu : float64[n_scans]
    n_bad : int
        Scans with J above its 99 % quantile.
    n_not_converged : int
    """

    start: str
    seed: int
    values: Floats
    rmse_pu: Floats
    n_bad: int
    n_not_converged: int


@dc.dataclass(frozen=True, slots=True)
class AttackResult:
    """One attack in one run.

    Attributes
    ----------
    values : float64[n_warm + n, n_detectors]
        Statistics from the beginning of the run on; the attack begins at row ``n_warm``.
    where : tuple
        Per scan of the attack and detector: channels pointed to.
    rmse_pu, clean_rmse_pu : float64[n]
        Error of the estimate under attack, and of the same scans without.
    j_shift : float
        Mean change of the normal score of J by the attack.
    energy_kwh, shed_mw : float
        Energy that loads did not get because of it, and the largest power.
    violation_min, clean_violation_min : float
        Time with a load's voltage outside ANSI Range A, or gone, under attack and without [min].
    n_not_converged : int
        Scans under attack without an estimate: the error of the others says nothing of them.
    refused : tuple of str
        Commands that the plant did not carry out.
    """

    attack: str
    values: Floats
    where: tuple[tuple[tuple[int, ...], ...], ...]
    rmse_pu: Floats
    clean_rmse_pu: Floats
    j_shift: float
    energy_kwh: float
    shed_mw: float
    violation_min: float
    clean_violation_min: float
    n_not_converged: int
    refused: tuple[str, ...]


@dc.dataclass(frozen=True, slots=True)
class SeedResult:
    """All attacks on one day with one set of instruments."""

    start: str
    seed: int
    n_warm: int
    attacks: tuple[AttackResult, ...]


Result = CleanResult | SeedResult


def draw(plan: RangePlan, job: Job, hours: float) -> Drawn:
    """Return day, hour and seed of a run; one of whole days begins so that these begin at midnight."""
    key = (zlib.crc32(job.kind.encode()), job.number)
    rng = np.random.default_rng(np.random.SeedSequence(plan.head.seed, spawn_key=key))
    station = plan.station.station
    zone = dt.timezone(dt.timedelta(seconds=station.utc_offset_s))
    year = dt.datetime(station.time.start.year, 1, 1, tzinfo=zone)
    day, hour = int(rng.integers(0, 365)), float(rng.uniform(0.0, 24.0))
    start = year + dt.timedelta(days=day, hours=0.0 if hours >= 24.0 else round(hour, 2))
    return Drawn(start, int(rng.integers(0, 2**31)), rng)


def carry_out(plan: RangePlan, job: Job) -> Result:
    """Do one run."""
    return _attacked(plan, job) if job.kind == ATTACKED else _clean(plan, job)


def _clean(plan: RangePlan, job: Job) -> CleanResult:
    n_warm, n = plan.scans(plan.clean.warm_min), plan.scans(60.0 * plan.clean.hours)
    drawn = draw(plan, job, plan.clean.hours)
    start = drawn.start - dt.timedelta(minutes=plan.clean.warm_min)
    plant = Plant(plan, start, drawn.seed, (n_warm + n + 2) * plan.head.scan_s)
    centre = Centre(Model(plan))
    for truth in plant.scans(n_warm):
        centre.take(truth, truth.values, truth.quality)
    seen = [centre.take(truth, truth.values, truth.quality) for truth in plant.scans(n)]
    return CleanResult(
        start.isoformat(),
        drawn.seed,
        _values(seen),
        np.array([s.rmse_pu for s in seen]),
        sum(s.is_bad for s in seen),
        sum(not s.converged for s in seen),
    )


def _attacked(plan: RangePlan, job: Job) -> SeedResult:
    scan_s = plan.head.scan_s
    n_warm = plan.scans(plan.attacked.warm_min)
    usual_s = 60.0 * plan.attacked.duration_min
    lengths = {a.name: max(1, round((a.duration_s or usual_s) / scan_s)) for a in plan.attacks}
    drawn = draw(plan, job, 0.0)
    plant = Plant(plan, drawn.start, drawn.seed, (n_warm + max(lengths.values()) + 2) * scan_s)
    model = Model(plan)
    centre = Centre(model)
    warm = list(plant.scans(n_warm))
    warm_seen = [centre.take(t, t.values, t.quality) for t in warm]
    moment = plant.snapshot()
    after = list(plant.scans(max(lengths.values())))
    reference = centre.fork()
    clean = [reference.take(t, t.values, t.quality) for t in after]
    ear = Eavesdropper(model)
    ear.see(warm[-1])
    results = []
    for section, rng in zip(plan.attacks, drawn.rng.spawn(len(plan.attacks)), strict=True):
        n, start_s = lengths[section.name], after[0].t_s
        attack = build(section, plan.channels[section.name], model, ear, start_s, n * scan_s, rng)
        moment.restore()
        plant.refused.clear()
        branch = _Branch(section, attack, centre.fork(), plant, ear, rng)
        truth, seen = branch.run(warm, after[:n])
        found = _result(section, warm_seen, seen, clean[:n], truth, after[:n], scan_s)
        results.append(dc.replace(found, refused=tuple(plant.refused)))
    return SeedResult(drawn.start.isoformat(), drawn.seed, n_warm, tuple(results))


class _Branch:
    """One attack under way, from the moment at which it begins."""

    def __init__(
        self,
        section: AttackSection,
        attack: Attack,
        centre: Centre,
        plant: Plant,
        ear: Eavesdropper,
        rng: np.random.Generator,
    ) -> None:
        self.section, self.attack, self.centre, self.plant, self.ear = section, attack, centre, plant, ear
        self.tamper = Tamper([attack], index_of(centre.model.points), rng)
        self.logged: list[tuple[str, ...]] = []

    def run(
        self, warm: Sequence[PlantScan], clean: Sequence[PlantScan]
    ) -> tuple[list[PlantScan], list[Seen]]:
        """Return truth and what the centre saw, scan by scan; without commands the truth is the clean one."""
        for t in warm:
            self.tamper.apply(t.t_s, t.values, t.quality)  # what replay and delay will show
        truth, seen = [], []
        for k, undisturbed in enumerate(clean):
            now = self._commanded(k) if self.attack.commands else undisturbed
            self.ear.see(now)
            values, quality = self.tamper.apply(now.t_s, now.values, now.quality)
            logged = tuple(t for tags in self.logged[-LOGGED_SCANS:] for t in tags)
            seen.append(self.centre.take(now, values, quality, logged))
            truth.append(now)
        return truth, seen

    def _commanded(self, k: int) -> PlantScan:
        scan_s = self.plant.scan_s
        due = [(c.tag, c.value) for c in self.attack.commands if k * scan_s <= c.at_s < (k + 1) * scan_s]
        self.logged.append(tuple(tag for tag, _ in due) if self.section.by_operator else ())
        return self.plant.scan(due)


def _values(seen: Sequence[Seen]) -> Floats:
    return np.array([[s.scores[name][0] for name in NAMES] for s in seen]).reshape(len(seen), len(NAMES))


def _result(
    section: AttackSection,
    warm: Sequence[Seen],
    seen: Sequence[Seen],
    clean: Sequence[Seen],
    truth: Sequence[PlantScan],
    undisturbed: Sequence[PlantScan],
    scan_s: float,
) -> AttackResult:
    values, reference = _values(seen), _values(clean)
    shift = values[:, NAMES.index("J")] - reference[:, NAMES.index("J")]
    lost_w = np.maximum([u.load_w - t.load_w for t, u in zip(truth, undisturbed, strict=True)], 0.0)
    minutes = scan_s / 60.0
    return AttackResult(
        attack=section.name,
        values=np.vstack((_values(warm), values)),
        where=tuple(tuple(s.scores[name][1] for name in NAMES) for s in seen),
        rmse_pu=np.array([s.rmse_pu for s in seen]),
        clean_rmse_pu=np.array([s.rmse_pu for s in clean]),
        j_shift=float(np.nanmean(shift)) if np.isfinite(shift).any() else float("nan"),
        energy_kwh=float(lost_w.sum() * scan_s / 3.6e6),
        shed_mw=float(lost_w.max() / 1e6),
        violation_min=minutes * sum(t.n_violations + t.n_dead > 0 for t in truth),
        clean_violation_min=minutes * sum(t.n_violations + t.n_dead > 0 for t in undisturbed),
        n_not_converged=sum(not s.converged for s in seen),
        refused=(),
    )
