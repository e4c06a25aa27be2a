"""Every run has a day of its own, drawn from the plan's seed."""

import dataclasses as dc
import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hil.cyberrange.draw import ATTACKED, CALIBRATE, VERIFY, Job, day_of, draw
from hil.cyberrange.plan import RangePlan
from hil.cyberrange.schema import AttackedSection, CleanSection, RangeSection


@pytest.fixture(scope="module")
def small() -> RangePlan:
    """A plan of which nothing but times and numbers is looked at; its station has no more than its clock."""
    clock = SimpleNamespace(start=dt.datetime(2017, 1, 1, tzinfo=dt.UTC))
    station: Any = SimpleNamespace(station=SimpleNamespace(time=clock, utc_offset_s=-21600))
    nothing: Any = None
    return RangePlan(
        path=Path("small.toml"),
        sha256="",
        head=RangeSection(name="small", station="none", telemetry="none"),
        clean=CleanSection(),
        attacked=AttackedSection(),
        settings={},
        attacks=(),
        channels={},
        expectations=(),
        station=station,
        telemetry=nothing,
    )


def planned(plan: RangePlan, seed: int, seeds: int = 20, **clean: Any) -> RangePlan:
    return dc.replace(
        plan,
        head=plan.head.model_copy(update={"seed": seed}),
        clean=plan.clean.model_copy(update=clean),
        attacked=plan.attacked.model_copy(update={"seeds": seeds}),
    )


def jobs(plan: RangePlan) -> list[Job]:
    numbers = {CALIBRATE: plan.clean.days, VERIFY: plan.clean.verify_days, ATTACKED: plan.attacked.seeds}
    return [Job(kind, k) for kind, n in numbers.items() for k in range(n)]


@pytest.mark.parametrize("seed", range(3))
def test_no_day_of_the_year_is_drawn_twice_even_where_all_are_needed(small: RangePlan, seed: int) -> None:
    plan = planned(small, seed, seeds=5, days=180, verify_days=180, hours=24.0)
    assert sorted(day_of(plan, job) for job in jobs(plan)) == list(range(365))


def test_runs_of_a_week_do_not_overlap_each_other_or_an_attacked_day(small: RangePlan) -> None:
    plan = planned(small, 1, seeds=30, days=20, verify_days=20, hours=168.0)
    days = []
    for job in jobs(plan):
        days += [day_of(plan, job) + k for k in range(1 if job.kind == ATTACKED else 7)]
    assert len(set(days)) == len(days) == 40 * 7 + 30
    assert max(days) < 365


def test_a_run_of_a_few_hours_lies_within_its_day(small: RangePlan) -> None:
    plan = planned(small, 3, days=50, verify_days=50)
    for job in jobs(plan):
        start = draw(plan, job, 2.5).start
        assert (start + dt.timedelta(hours=2.5) - dt.timedelta(seconds=1)).date() == start.date()
    assert {draw(plan, Job(CALIBRATE, k), 24.0).start.hour for k in range(5)} == {0}


def test_runs_follow_from_seed_kind_and_number_alone(small: RangePlan) -> None:
    plans = planned(small, 1), planned(small, 2)
    drawn = [draw(p, job, 1.0) for p in plans for job in jobs(p)]
    assert len({d.seed for d in drawn}) == len(drawn)
    again = draw(planned(small, 1), Job(VERIFY, 0), 1.0)
    first = draw(plans[0], Job(VERIFY, 0), 1.0)
    assert (again.start, again.seed) == (first.start, first.seed)
    more = planned(small, 1, seeds=40)  # more attacked days change none of the others
    assert [draw(more, job, 1.0).start for job in jobs(plans[0])] == [
        d.start for d in drawn[: len(drawn) // 2]
    ]
