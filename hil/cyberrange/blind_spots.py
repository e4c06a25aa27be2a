"""What is not seen, in words: by whom, by nobody at all, and what so few runs can say of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from estimation.detectors.calibration import FalseAlarms
from hil.cyberrange.detection import percents
from hil.cyberrange.plan import RangePlan
from hil.cyberrange.schema import AttackSection
from hil.cyberrange.scoring import Cell, Scores

DAY_MIN = 1440.0


def blind_spots(plan: RangePlan, scores: Scores) -> Iterator[str]:
    """Yield sentences about what is not seen."""
    for attack in plan.attacks:
        cells = [c for c in scores.cells if c.attack == attack.name]
        silent = [c.detector for c in cells if not c.is_calibrated]
        cells = [c for c in cells if c.is_calibrated]
        unseen = [c for c in cells if c.is_unseen]
        yield from _unseen(attack, cells, unseen, plan, scores)
        if silent:
            named = ", ".join(silent)
            yield f"{attack.name}: nothing can be said of {named}: the clean runs gave no threshold."
        impact = next(i for i in scores.impacts if i.attack == attack.name)
        for text in impact.refused:
            yield f"{attack.name}: the plant refused {text}; where it did there was no attack to see."
        if attack.model is not None and {"J", "LNR"} <= {c.detector for c in unseen}:
            yield (
                f"{attack.name}: the residual tests do not see it, for what is false fits the network; the "
                f"normal score of J changes by {impact.j_shift:+.2g} in the mean and the estimate is off by "
                f"{impact.rmse_pu:.2g} instead of {impact.clean_rmse_pu:.2g} pu."
            )


def by_chance(clean: FalseAlarms, attack_min: float) -> float:
    """Return the probability, at the 95 % bound of the rate, that a false alarm begins in an attack.

    Such an alarm is counted as a detection: Poisson, 1 - exp(-bound x duration).
    """
    return -math.expm1(-clean.upper_per_day * attack_min / DAY_MIN)


def _unseen(
    attack: AttackSection, cells: Sequence[Cell], unseen: Sequence[Cell], plan: RangePlan, scores: Scores
) -> Iterator[str]:
    if not unseen:
        return
    title = attack.title or attack.name
    high = max(c.bounds[1] for c in unseen)
    few = (
        f"the rate of each may still be up to {100 * high:.0f} % (exact 95 % interval of {unseen[0].n} runs)"
    )
    if len(unseen) == len(cells):
        yield f"{attack.name} ({title}): no detector sees it; {few}."
        return
    best = max(cells, key=lambda c: (c.rate, -c.delay_scans if c.n_detected else -math.inf))
    minutes = attack.duration_s / 60.0 if attack.duration_s else plan.attacked.duration_min
    chance = by_chance(scores.detector(best.detector).verified, minutes)
    yield (
        f"{attack.name} ({title}): not seen by {', '.join(c.detector for c in unseen)}; {few}. Best is "
        f"{best.detector}, {best.n_detected} of {best.n} runs ({percents(*best.bounds)}; "
        f"a false alarm in up to {100 * chance:.2g} %)."
    )
