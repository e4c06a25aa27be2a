"""Travel of the backup's elements, and the table of the selectivity sweep, on made-up results."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from hil import cli
from hil import selectivity_command as sc
from hil.selectivity import Backup, Result
from hil.selectivity_cases import FAILURE, PERMANENT, Case, Expected
from hil.selectivity_judge import EXEMPT, RIGHT, WRONG, Judged

RECLOSER = Expected("rcl", "rcl", True, "cb", "cb", ("cb",))


def result(
    place: str = "bus.x",
    *,
    life: str = PERMANENT,
    verdict: str = RIGHT,
    reason: str = "",
    margin_s: float | None = 0.25,
) -> Result:
    judged = Judged(verdict, reason, "rcl", 0.06, 0.1049, 4, "lockout")
    return Result(Case(place, "slg", "a", life, RECLOSER), judged, 0.5, margin_s, 9.0)


def sweep(*results: Result, differs: tuple[str, ...] = ()) -> sc.Sweep:
    return sc.Sweep("iowa240", tuple(map(sc.row_of, results)), 1, 4, differs, 0.001)


def test_travel_counts_to_the_instant_of_clearing() -> None:
    """Two elements that need 0.5 s and 2 s from the fault on; cleared 3 ms into the third step of 10 ms."""
    x = np.zeros(20)
    backup = Backup(np.array([0, 10]), 0.01)
    for k in (1, 2):
        x[1], x[11] = 0.02 * k, 0.005 * k
        backup.look(x)
    backup.clear(0.003)
    assert backup.spent == pytest.approx(0.023 / 0.5)
    assert backup.left_s == pytest.approx(0.5 - 0.023)


def test_of_several_clearings_the_closest_counts() -> None:
    x = np.zeros(10)
    backup = Backup(np.array([0]), 0.01)
    for steps in (5, 30, 10):
        for k in range(1, steps + 1):
            x[1] = 0.02 * k
            backup.look(x)
        backup.clear(0.0)
    assert backup.spent == pytest.approx(0.6)
    assert backup.left_s == pytest.approx(0.2)


def test_a_backup_that_is_not_picked_up_or_not_there_has_no_margin() -> None:
    for rows in (np.array([0]), np.zeros(0, np.int64)):
        backup = Backup(rows, 0.01)
        backup.look(np.zeros(10))
        backup.clear(0.003)
        assert (backup.spent, backup.left_s) == (0.0, None)


def test_the_table_has_a_row_for_each_case() -> None:
    rows = [sc.row_of(result()), sc.row_of(result("line.y", margin_s=None))]
    first, second = csv.DictReader(io.StringIO(sc.text_of(rows)))
    assert (first["place"], first["device"], first["backup"]) == ("bus.x", "rcl", "cb")
    assert (first["open_s"], first["spent"], first["margin_s"]) == ("0.105", "0.500", "0.250")
    assert (second["spent"], second["margin_s"]) == ("", "")


def test_least_margin_is_of_a_pair_and_leaves_failures_out() -> None:
    found = sweep(
        result(margin_s=0.3),
        result("bus.y", margin_s=0.2),
        result("bus.z", life=FAILURE, margin_s=0.01),
        result("bus.w", margin_s=None),
    )
    ((device, backup, n, margin_s, _, at),) = sc.least_margins(found.rows)
    assert (device, backup, n, margin_s) == ("rcl", "cb", 2, 0.2)
    assert "bus.y" in at


def test_exceptions_are_grouped_by_their_reason() -> None:
    wrong = [result(p, verdict=WRONG, reason="cb tripped") for p in ("bus.x", "bus.y")]
    exempt = result(life=FAILURE, verdict=EXEMPT, reason="none upstream")
    found = sweep(result(), *wrong, exempt)
    assert sc.exceptions(found.rows) == [
        (WRONG, "rcl", PERMANENT, "cb tripped", 2, "slg a bus.x"),
        (EXEMPT, "rcl", FAILURE, "none upstream", 1, "slg a bus.x"),
    ]
    assert sc.counts(found.rows)[PERMANENT] == {RIGHT: 1, WRONG: 2, EXEMPT: 0}
    assert json.loads(json.dumps(sc.document(found)))["counts"][FAILURE][EXEMPT] == 1


def test_a_sweep_is_selective_without_wrong_cases_and_whatever_the_step() -> None:
    assert sweep(result(), result(verdict=EXEMPT)).is_selective
    assert not sweep(result(), result(verdict=WRONG)).is_selective
    assert not sweep(result(), differs=("a case",)).is_selective


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["iowa240-ref"], "scheme"),
        (["iowa240", "-o", "no_such_folder/x.csv"], "does not exist"),
        (["iowa240", "-o", "x.txt"], "x.txt: the table ends in .csv"),
        (["iowa240", "--places", "0"], "places"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(arguments: list[str], what: str) -> None:
    done = CliRunner().invoke(cli.app, ["selectivity", *arguments])
    assert done.exit_code != 0
    assert what in done.output + str(done.exception)
