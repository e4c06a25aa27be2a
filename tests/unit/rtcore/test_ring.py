"""Command and verdict rings: judged as a whole, answered exactly once, safe from what a producer writes."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore import ring as rg
from rtcore.commands import (
    C_APPLY_STEP,
    C_CREATED_NS,
    C_GROUP_N,
    C_ID,
    C_TARGET,
    C_TTL_NS,
    C_VALUE,
    GROUP_MAX,
    RECORD_WORDS,
    TTL_DEFAULT_NS,
    V_ID,
    Reason,
)
from rtcore.instruments import PointArrays, instrument_rows
from rtcore.ring import HEAD, RECORDS_AT, TAIL
from rtcore.shared_kernels import (
    COMMANDS_MAX,
    EVENT_COMMAND,
    NOT_WRITABLE,
    PULSE,
    SETPOINT,
    SWITCH,
    drain,
)

READ_ONLY, SCALED, PULSED, SWITCHED, GUARDED = range(5)
GUARD_AT = 10
GUARD_WORDS = 64
"""Words before and after ``x`` that nothing may touch."""


def points() -> PointArrays:
    n = 5
    return PointArrays(
        instrument=instrument_rows(
            n,
            source=[1, 2, 3, 4, 5],
            factor=[1.0, 1000.0, 1.0, 1.0, 1.0],
            gain=1.0,
            noise_frac=0.0,
            noise_abs=0.0,
            quantum=0.0,
            cutoff=0.0,
            low=[0.0, -5.0, 0.0, 0.0, -1e308],
            high=[1.0, 50.0, 1.0, 1.0, 1e308],
            is_analog=False,
            is_network=False,
            node=-1,
        ),
        is_health=np.zeros(n, np.uint8),
        writable=np.array([NOT_WRITABLE, SETPOINT, PULSE, SWITCH, SETPOINT], np.uint8),
        guard=np.array([-1, -1, -1, -1, GUARD_AT]),
        interlock=np.full((n, 1), -1),
        interlock_reason=np.full((n, 1), -1),
        hot=np.arange(n, dtype=np.int32),
        cold=np.zeros(0, np.int32),
        statuses=np.zeros(0, np.int32),
        stamp=np.full(n, -1),
    )


class Core:
    """The core's end: rings, plant state between guard words, and the compiled drain."""

    def __init__(self) -> None:
        self.pair = rg.RingPair(bytearray(rg.PAIR_BYTES))
        self.pair.format()
        self.memory = np.full(GUARD_WORDS + 16 + GUARD_WORDS, -77.0)
        self.x = self.memory[GUARD_WORDS : GUARD_WORDS + 16]
        self.x[:] = 0.0
        self.x[GUARD_AT] = 1.0
        self.points = points()
        self.events = np.zeros(rg.EVENT_BYTES // 8, np.int64)
        self.reader = rg.EventReader(self.events)
        self.group = np.zeros(GROUP_MAX * RECORD_WORDS, np.int64)
        self.step, self.now_ns = 100, 10_000_000_000

    def producer(self, incarnation: int = 1) -> rg.Producer:
        return rg.Producer(self.pair, incarnation)

    def drain(self) -> int:
        done = drain(
            self.pair.commands,
            self.pair.verdicts,
            self.points,
            self.x,
            self.now_ns,
            self.step,
            self.now_ns,
            self.events[rg.HEADER_WORDS :],
            1,
            self.group,
        )
        self.step += 1
        assert np.all(self.memory[:GUARD_WORDS] == -77.0), "written before the plant's state"
        assert np.all(self.memory[-GUARD_WORDS:] == -77.0), "written behind the plant's state"
        return int(done)

    def ask(self, *writes: tuple[int, float], **how: int) -> list[Reason]:
        """Push one group, drain, return its reasons."""
        producer = self.producer()
        ids = producer.push(writes, self.now_ns, **how)
        assert ids is not None
        self.drain()
        found = producer.poll()
        return [found[i].reason for i in ids]

    def record(self, at: int) -> np.ndarray:
        first = RECORDS_AT + at % rg.CAPACITY * RECORD_WORDS
        return self.pair.commands[first : first + RECORD_WORDS]


@pytest.fixture
def core() -> Core:
    return Core()


# -- what a command does -----------------------------------------------------------------------


def test_a_setpoint_is_kept_in_the_attributes_own_unit(core: Core) -> None:
    assert core.ask((SCALED, 25.0)) == [Reason.DONE]
    assert core.x[2] == 25.0 / 1000.0


def test_a_pulse_of_one_is_set_and_a_pulse_of_zero_is_done_without_effect(core: Core) -> None:
    assert core.ask((PULSED, 0.0)) == [Reason.DONE]
    assert core.x[3] == 0.0
    assert core.ask((PULSED, 1.0)) == [Reason.DONE]
    assert core.x[3] == 1.0
    assert core.ask((PULSED, 0.0)) == [Reason.DONE]  # does not take back a pulse not yet consumed
    assert core.x[3] == 1.0


@pytest.mark.parametrize(
    ("target", "value", "reason"),
    [
        (READ_ONLY, 1.0, Reason.NOT_WRITABLE),
        (-1, 1.0, Reason.UNKNOWN_POINT),
        (5, 1.0, Reason.UNKNOWN_POINT),
        (-(2**63), 1.0, Reason.UNKNOWN_POINT),
        (2**63 - 1, 1.0, Reason.UNKNOWN_POINT),
        (SCALED, float("nan"), Reason.NOT_A_NUMBER),
        (SCALED, float("inf"), Reason.NOT_A_NUMBER),
        (SCALED, float("-inf"), Reason.NOT_A_NUMBER),
        (GUARDED, 1.7e308, Reason.NOT_A_NUMBER),
        (SCALED, 50.000001, Reason.OUT_OF_RANGE),
        (SCALED, -5.000001, Reason.OUT_OF_RANGE),
        (SWITCHED, 0.5, Reason.WRONG_TYPE),
        (SWITCHED, 2.0, Reason.WRONG_TYPE),
        (PULSED, -1.0, Reason.WRONG_TYPE),
        (PULSED, 5e-324, Reason.WRONG_TYPE),
    ],
)
def test_a_bad_command_is_refused_with_its_reason_and_leaves_the_plant_alone(
    core: Core, target: int, value: float, reason: Reason
) -> None:
    before = core.x.copy()
    assert core.ask((target, value)) == [reason]
    assert np.array_equal(core.x, before)


@pytest.mark.parametrize("value", [-5.0, 50.0])
def test_the_ends_of_the_range_are_inside(core: Core, value: float) -> None:
    assert core.ask((SCALED, value)) == [Reason.DONE]


def test_a_guarded_point_takes_commands_only_while_its_guard_is_one(core: Core) -> None:
    core.x[GUARD_AT] = 0.0
    assert core.ask((GUARDED, 3.0)) == [Reason.IN_LOCAL]
    assert core.x[5] == 0.0
    core.x[GUARD_AT] = 1.0
    assert core.ask((GUARDED, 3.0)) == [Reason.DONE]


def test_a_command_older_than_its_life_is_refused_as_expired(core: Core) -> None:
    producer = core.producer()
    on_time = producer.push([(SCALED, 1.0)], core.now_ns - TTL_DEFAULT_NS)
    too_old = producer.push([(SCALED, 2.0)], core.now_ns - TTL_DEFAULT_NS - 1)
    core.drain()
    found = producer.poll()
    assert on_time is not None
    assert too_old is not None
    assert found[on_time[0]].reason is Reason.DONE
    assert found[too_old[0]].reason is Reason.EXPIRED
    assert core.x[2] == 1.0 / 1000.0


def test_a_command_for_a_later_step_waits_for_it_and_holds_what_comes_behind(core: Core) -> None:
    producer = core.producer()
    producer.push([(SCALED, 1.0)], core.now_ns, apply_step=core.step + 2)
    producer.push([(SCALED, 2.0)], core.now_ns)
    assert [core.drain(), core.drain(), core.drain()] == [0, 0, 2]
    assert core.x[2] == 2.0 / 1000.0


def test_a_command_for_a_step_beyond_its_life_is_refused_instead_of_blocking_the_ring(core: Core) -> None:
    producer = core.producer()
    never = producer.push([(SCALED, 1.0)], core.now_ns, apply_step=2**62)
    behind = producer.push([(SCALED, 2.0)], core.now_ns, ttl_ns=2**62)
    assert core.drain() == 0
    core.now_ns += TTL_DEFAULT_NS + 1
    assert core.drain() == 1
    found = producer.poll()
    assert never is not None
    assert behind is not None
    assert [found[i].reason for i in (*never, *behind)] == [Reason.EXPIRED, Reason.DONE]


# -- groups ------------------------------------------------------------------------------------


def test_a_group_is_applied_whole(core: Core) -> None:
    assert core.ask((SCALED, 4.0), (PULSED, 1.0), (SWITCHED, 1.0)) == [Reason.DONE] * 3
    assert list(core.x[2:5]) == [4.0 / 1000.0, 1.0, 1.0]


def test_a_group_with_one_bad_command_is_refused_whole_and_names_the_cause(core: Core) -> None:
    reasons = core.ask((SCALED, 4.0), (READ_ONLY, 1.0), (SWITCHED, 1.0), (SCALED, 99.0))
    assert reasons == [
        Reason.GROUP_REFUSED,
        Reason.NOT_WRITABLE,
        Reason.GROUP_REFUSED,
        Reason.OUT_OF_RANGE,
    ]
    assert not core.x[:GUARD_AT].any()


@given(
    st.lists(st.tuples(st.integers(-1, 5), st.sampled_from([0.0, 1.0, 2.0, np.nan])), min_size=1, max_size=64)
)
@settings(deadline=None, max_examples=80)
def test_a_group_is_done_by_all_or_by_none(writes: list[tuple[int, float]]) -> None:
    core = Core()
    reasons = core.ask(*writes)
    assert len({r is Reason.DONE for r in reasons}) == 1
    if reasons[0] is not Reason.DONE:
        assert not core.x[:GUARD_AT].any()
        assert set(reasons) != {Reason.GROUP_REFUSED}, "nobody says why"


def test_a_group_larger_than_allowed_is_a_programmers_error(core: Core) -> None:
    with pytest.raises(AssertionError, match=r"group of 65 commands, allowed 1\.\.64"):
        core.producer().push([(SCALED, 1.0)] * 65, 0)


def test_groups_keep_their_order_and_work_of_one_step_is_bounded(core: Core) -> None:
    producer = core.producer()
    ids = [i for k in range(8) for i in producer.push([(SCALED, float(k))] * 32, core.now_ns) or []]
    assert [core.drain() for _ in range(3)] == [COMMANDS_MAX, COMMANDS_MAX, 0]
    found = producer.poll()
    assert list(found) == ids
    assert core.x[2] == 7.0 / 1000.0


# -- bounds and order --------------------------------------------------------------------------


def test_verdicts_carry_step_and_value_in_the_order_of_the_commands(core: Core) -> None:
    producer = core.producer(incarnation=5)
    ids = [producer.push([(SCALED, float(k))], core.now_ns) for k in range(5)]
    step = core.step
    core.drain()
    found = producer.poll()
    assert list(found) == [i for group in ids if group for i in group] == [(5 << 32) + k for k in range(1, 6)]
    assert [(v.step, v.value) for v in found.values()] == [(step, float(k)) for k in range(5)]
    assert producer.poll() == {}


def test_every_command_leaves_an_event_with_its_outcome(core: Core) -> None:
    core.ask((SCALED, 4.0), (READ_ONLY, 1.0))
    events = core.reader.take()
    assert [(e[rg.E_KIND], e[rg.E_TARGET], e[rg.E_OLD], e[rg.E_CAUSE]) for e in events] == [
        (EVENT_COMMAND, SCALED, Reason.GROUP_REFUSED, 1),
        (EVENT_COMMAND, READ_ONLY, Reason.NOT_WRITABLE, 1),
    ]
    assert rg.bits_float(events[0][rg.E_NEW]) == 4.0


def test_a_full_ring_refuses_the_whole_group_and_takes_it_once_there_is_room(core: Core) -> None:
    producer = core.producer()
    for _ in range(rg.CAPACITY // 64 - 1):
        assert producer.push([(SCALED, 1.0)] * 64, core.now_ns) is not None
    assert producer.push([(SCALED, 1.0)] * 63, core.now_ns) is not None
    assert producer.push([(SCALED, 1.0)] * 2, core.now_ns) is None
    assert producer.push([(SCALED, 1.0)], core.now_ns) is not None  # exactly CAPACITY
    assert producer.push([(SCALED, 1.0)], core.now_ns) is None
    core.drain()
    assert producer.push([(SCALED, 1.0)] * 64, core.now_ns) is not None


def test_a_full_verdict_ring_stops_the_intake_and_loses_no_answer(core: Core) -> None:
    producer = core.producer()
    pushed: list[int] = []
    applied = 0
    for _ in range(2 * rg.CAPACITY // 64):  # twice what the verdict ring holds, nobody polls
        ids = producer.push([(SCALED, 1.0)] * 64, core.now_ns)
        if ids is not None:
            pushed += ids
        applied += core.drain()
    assert applied == rg.CAPACITY
    assert core.drain() == 0
    found = list(producer.poll())
    while core.drain():
        found += list(producer.poll())
    found += list(producer.poll())
    assert found == pushed


@given(st.lists(st.integers(0, 64), max_size=60))
@settings(deadline=None, max_examples=30)
def test_each_command_gets_exactly_one_verdict_whatever_the_interleaving(turns: list[int]) -> None:
    core = Core()
    core.pair.commands[HEAD] = core.pair.commands[TAIL] = 2**40 + 1000  # wraps within the ring soon
    producer = core.producer()
    pushed: list[int] = []
    found: list[int] = []
    for n in turns:
        if n:
            pushed += producer.push([(SCALED, 1.0)] * n, core.now_ns) or []
        if n % 3 != 1:
            core.drain()
        if n % 2:
            found += list(producer.poll())
    for _ in range(2 * rg.CAPACITY // 64):
        core.drain()
        found += list(producer.poll())
    assert found == pushed


def test_two_threads_lose_and_double_nothing(core: Core) -> None:
    """The producer and the core run at once, as two processes do (kernels hold no GIL)."""
    n = 5_000
    done = threading.Event()
    total = 0

    def run() -> None:
        nonlocal total
        while not done.is_set():
            total += core.drain()

    thread = threading.Thread(target=run)
    producer = core.producer()
    thread.start()
    try:
        pushed: list[int] = []
        found: list[int] = []
        while len(pushed) < n:
            pushed += (
                producer.push([(SCALED, float(len(pushed) % 50))] * (1 + len(pushed) % 7), core.now_ns) or []
            )
            found += list(producer.poll())
        while len(found) < len(pushed):
            found += list(producer.poll())
    finally:
        done.set()
        thread.join()
    assert found == pushed
    assert total == len(pushed)


# -- restart -----------------------------------------------------------------------------------


def test_a_restarted_producer_skips_the_verdicts_of_its_predecessor(core: Core) -> None:
    old = core.producer(incarnation=1)
    old.push([(SCALED, 1.0)], core.now_ns)
    core.drain()  # answered, never collected
    old.push([(SCALED, 2.0)], core.now_ns)  # and one that the core answers only after the restart
    new = core.producer(incarnation=2)
    ids = new.push([(SCALED, 3.0)], core.now_ns)
    core.drain()
    found = new.poll()
    assert list(found) == ids
    assert core.x[2] == 3.0 / 1000.0  # the predecessor's command was carried out, then ours


def test_ids_of_incarnations_do_not_meet(core: Core) -> None:
    ids = [core.producer(k).push([(SCALED, 1.0)], 0) for k in (0, 1, 2, 2**31 - 1)]
    assert len({i for group in ids if group for i in group}) == 4


# -- hostile producers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "tail"),
    [
        (2**62, 0),
        (2**63 - 1, 0),
        (-1, 0),
        (-(2**63), 0),
        (0, 5),
        (0, 2**63 - 1),
        (0, -(2**63)),
        (2**63 - 1, -(2**63)),
        (rg.CAPACITY + 1, 0),
    ],
)
def test_impossible_counters_are_dropped_and_the_ring_works_again(core: Core, head: int, tail: int) -> None:
    core.pair.commands[RECORDS_AT:] = np.random.default_rng(1).integers(-(2**63), 2**63 - 1, 8192)
    core.pair.commands[HEAD], core.pair.commands[TAIL] = head, tail
    before = core.x.copy()
    assert core.drain() == 0
    assert np.array_equal(core.x, before)
    if head < 2**62:  # near the end of int64 the producer itself can count no further
        assert core.ask((SCALED, 7.0)) == [Reason.DONE]


def test_counters_that_wrap_around_int64_are_followed(core: Core) -> None:
    last = 2**63 - 1
    for k in range(4):
        core.record(last - 2 + k)[:] = [k, SCALED, rg.float_bits(float(k)), core.now_ns, 1, -1, 1, 0]
    core.pair.commands[TAIL] = last - 2
    core.pair.commands[HEAD] = -(2**63) + 1
    assert core.drain() == 4
    assert int(core.pair.commands[TAIL]) == -(2**63) + 1


@pytest.mark.parametrize("claimed", [0, -1, 2, 64, 65, 10**9, 2**63 - 1, -(2**63)])
def test_a_single_record_that_claims_another_group_size_is_refused_at_once(core: Core, claimed: int) -> None:
    producer = core.producer()
    ids = producer.push([(SCALED, 9.0)], core.now_ns)
    core.record(0)[C_GROUP_N] = claimed
    assert core.drain() == 0
    assert ids is not None
    assert producer.poll()[ids[0]].reason is Reason.GROUP_REFUSED
    assert core.ask((SCALED, 7.0)) == [Reason.DONE]


def test_a_group_that_claims_its_neighbours_is_refused_and_so_are_they_not_applied_by_halves(
    core: Core,
) -> None:
    producer = core.producer()
    ids = [i for k in range(3) for i in producer.push([(SCALED, float(k))], core.now_ns) or []]
    core.record(0)[C_GROUP_N] = 3  # three groups of one, the first claims all
    core.drain()
    assert {v.reason for v in producer.poll().values()} == {Reason.GROUP_REFUSED}
    assert len(ids) == 3
    assert core.x[2] == 0.0


@pytest.mark.parametrize("column", [C_ID, C_TARGET, C_VALUE, C_CREATED_NS, C_TTL_NS, C_APPLY_STEP, C_GROUP_N])
@pytest.mark.parametrize("word", [-(2**63), -1, 0, 5, 2**31, 2**62, 2**63 - 1])
def test_any_word_in_any_column_spoils_its_own_command_only(core: Core, column: int, word: int) -> None:
    producer = core.producer()
    producer.push([(SCALED, 9.0)], core.now_ns)
    producer.push([(SWITCHED, 1.0)], core.now_ns)
    core.record(0)[column] = word
    core.drain()
    core.now_ns += TTL_DEFAULT_NS
    core.drain()
    if column == C_TTL_NS or column != C_APPLY_STEP or word <= core.step:
        assert int(core.pair.commands[TAIL]) == 2
        assert core.x[4] == 1.0 or column == C_GROUP_N


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32 - 1), st.integers(-3, rg.CAPACITY + 3), st.booleans())
def test_random_memory_in_the_ring_never_harms_the_core(seed: int, ahead: int, is_small: bool) -> None:
    core = Core()
    rng = np.random.default_rng(seed)
    span = 70 if is_small else 2**63 - 1  # small numbers get past more of the checks
    core.pair.commands[:] = rng.integers(-span, span, rg.RING_WORDS)
    core.pair.verdicts[:] = rng.integers(-span, span, rg.RING_WORDS)
    core.pair.commands[TAIL] = rng.integers(-span, span)
    core.pair.commands[HEAD] = np.int64(int(core.pair.commands[TAIL]) + ahead)
    for _ in range(3):
        assert core.drain() <= COMMANDS_MAX
    rows = core.points.instrument
    low, high = rows["low"], rows["high"]
    for i, at in enumerate(rows["source"]):
        value = core.x[at] * rows["factor"][i]
        assert low[i] <= value <= high[i], "the plant holds what its point may not carry"


def test_a_hostile_verdict_ring_stops_only_its_own_commands(core: Core) -> None:
    for head, tail in ((2**62, 0), (0, 2**62), (-(2**63), 2**63 - 1), (2**63 - 1, -5)):
        core.pair.verdicts[HEAD], core.pair.verdicts[TAIL] = head, tail
        core.producer().push([(SCALED, 1.0)], core.now_ns)
        core.drain()
    core.pair.verdicts[HEAD] = 0
    core.pair.commands[HEAD] = core.pair.commands[TAIL] = 0
    assert core.ask((SCALED, 7.0)) == [Reason.DONE]


def test_a_record_changed_between_judgement_and_application_cannot_reach_outside_the_plant(
    core: Core,
) -> None:
    """A producer flips a target between a good and a wild value while the core drains."""
    stop = threading.Event()
    wild = 10**7  # words behind x: a write there would kill the process

    def flip() -> None:
        targets = core.pair.commands[RECORDS_AT + C_TARGET :: RECORD_WORDS]
        while not stop.is_set():
            targets[:] = wild
            targets[:] = SCALED

    thread = threading.Thread(target=flip)
    producer = core.producer()
    thread.start()
    try:
        reasons = set()
        for _ in range(1500):
            producer.push([(SCALED, 1.0)] * 64, core.now_ns)
            core.drain()
            reasons |= {v.reason for v in producer.poll().values()}
    finally:
        stop.set()
        thread.join()
    assert reasons <= {Reason.DONE, Reason.UNKNOWN_POINT, Reason.GROUP_REFUSED}
    assert core.x[2] == 1.0 / 1000.0


# -- memory ------------------------------------------------------------------------------------


def test_memory_without_the_magic_number_is_not_a_ring_pair() -> None:
    with pytest.raises(ValueError, match="not a ring pair"):
        rg.RingPair(bytearray(rg.PAIR_BYTES)).check()


def test_memory_that_is_too_small_for_a_ring_pair_is_refused() -> None:
    with pytest.raises(ValueError, match=f"takes {rg.PAIR_BYTES} bytes, not {rg.PAIR_BYTES - 8}"):
        rg.RingPair(bytearray(rg.PAIR_BYTES - 8))


@given(st.floats(allow_nan=False))
def test_float_bits_survive_the_way_through_an_int64(value: float) -> None:
    assert rg.bits_float(rg.float_bits(value)) == value


def test_verdict_ids_are_those_of_the_commands_even_when_refused(core: Core) -> None:
    producer = core.producer(incarnation=3)
    ids = producer.push([(READ_ONLY, 1.0), (SCALED, 1.0)], core.now_ns)
    core.drain()
    raw = [int(core.pair.verdicts[RECORDS_AT + k * RECORD_WORDS + V_ID]) for k in range(2)]
    assert raw == ids
