"""One run of a study, by itself: what a worker does. Clean runs, and runs that are attacked in every way."""

from __future__ import annotations

import dataclasses as dc
import datetime as dt
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from estimation.attacks import Attack
from estimation.detectors.bank import NAMES
from estimation.tamper import Tamper
from hil.cyberrange.attacks import Eavesdropper, build
from hil.cyberrange.centre import Centre, Model, Seen
from hil.cyberrange.draw import ATTACKED, Job, draw
from hil.cyberrange.harm import Harm, harm
from hil.cyberrange.plan import RangePlan
from hil.cyberrange.plant import Plant, PlantScan
from hil.cyberrange.run_errors import named
from hil.cyberrange.schema import AttackSection
from rtcore.errors import GridhilError
from rtcore.points import index_of

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LOGGED_SCANS = 3
"""So many scans a command of the centre explains what it commanded."""


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
    is_false : bool[n, n_channels]
        Channels that the centre holds another value of than it would without the attack, by more than one
        sigma of their instrument; never under a command, which falsifies nothing.
    rmse_pu, clean_rmse_pu : float64[n]
        Error of the estimate under attack, and of the same scans without.
    j_shift : float
        Mean change of the normal score of J by the attack.
    harm : Harm
        What it does to the load.
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
    is_false: Bools
    rmse_pu: Floats
    clean_rmse_pu: Floats
    j_shift: float
    harm: Harm
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


def carry_out(plan: RangePlan, job: Job) -> Result:
    """Do one run.

    Raises
    ------
    GridhilError
        What was raised on purpose, as it was; anything else with the run's name.
    """
    try:
        return _attacked(plan, job) if job.kind == ATTACKED else _clean(plan, job)
    except GridhilError:
        raise
    except Exception as error:
        raise named(str(job), error) from error


def one_scan(plan: RangePlan, job: Job) -> None:
    """Take one scan of a run's day: all kernels that it needs are then compiled."""
    drawn = draw(plan, job, plan.head.scan_s / 3600.0)
    Plant(plan, drawn.start, drawn.seed, 2 * plan.head.scan_s).scan()


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
    length_s = (n_warm + max(lengths.values()) + 2) * scan_s
    drawn = draw(plan, job, length_s / 3600.0)
    plant = Plant(plan, drawn.start, drawn.seed, length_s)
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
        is_false = _false(model, seen, clean[:n], falsifies=not attack.commands)
        found = _result(section, warm_seen, seen, clean[:n], is_false, truth, after[:n], scan_s)
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


def _false(model: Model, seen: Sequence[Seen], clean: Sequence[Seen], *, falsifies: bool) -> Bools:
    """Tell which channels are false by more than a sigma in which scan; a value that is missing is not false.

    Both runs have the same plant and the same draws of instruments: what differs is what the attack changed.
    """
    if not falsifies:
        return np.zeros((len(seen), model.n), np.bool_)
    true = np.array([s.z for s in clean])
    with np.errstate(invalid="ignore"):
        off = np.abs(np.array([s.z for s in seen]) - true)
        return np.asarray(off > np.array([model.sigmas.at(z) for z in true]))


def _result(
    section: AttackSection,
    warm: Sequence[Seen],
    seen: Sequence[Seen],
    clean: Sequence[Seen],
    is_false: Bools,
    truth: Sequence[PlantScan],
    undisturbed: Sequence[PlantScan],
    scan_s: float,
) -> AttackResult:
    values, reference = _values(seen), _values(clean)
    shift = values[:, NAMES.index("J")] - reference[:, NAMES.index("J")]
    minutes = scan_s / 60.0
    return AttackResult(
        attack=section.name,
        values=np.vstack((_values(warm), values)),
        where=tuple(tuple(s.scores[name][1] for name in NAMES) for s in seen),
        is_false=is_false,
        rmse_pu=np.array([s.rmse_pu for s in seen]),
        clean_rmse_pu=np.array([s.rmse_pu for s in clean]),
        j_shift=float(np.nanmean(shift)) if np.isfinite(shift).any() else float("nan"),
        harm=harm(truth, undisturbed, scan_s),
        violation_min=minutes * sum(t.n_violations + t.n_dead > 0 for t in truth),
        clean_violation_min=minutes * sum(t.n_violations + t.n_dead > 0 for t in undisturbed),
        n_not_converged=sum(not s.converged for s in seen),
        refused=(),
    )
