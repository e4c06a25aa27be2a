"""Which shots of a test are worth a recording on paper: those that failed, the worst, a typical one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
SHOWN_MAX = 8
"""Most recordings of a test; results.json has those of every shot."""
RANK = {"FAIL": 3, "INVALID": 2, "INCONCLUSIVE": 1, "PASS": 0}


def chosen(shots: Sequence[Row]) -> list[tuple[Row, str]]:
    """Return shots in their order, each with what it stands for.

    Those are the worst of each label, the typical one of those that passed (it uses the median share of
    its tolerance) and, while there is room, what else did not pass.
    """
    seen = [s for s in shots if s["events"]]
    worst_first = sorted(seen, key=lambda s: (-RANK[s["verdict"]], -used(s), s["number"], s["attempt"]))
    counted = [s for s in worst_first if not s["superseded"]]
    if not counted:
        return [(s, "") for s in seen[:SHOWN_MAX]]
    passed = [s for s in counted if s["verdict"] == "PASS"]
    typical = passed[len(passed) // 2 :][:1]
    labels = {s["label"]: s for s in reversed(counted)}
    of_labels = sorted(labels.values(), key=worst_first.index)
    others = [s for s in worst_first if s["verdict"] != "PASS"]
    wanted = {id(s): s for s in [counted[0], *typical, *of_labels, *others]}
    kept = set(list(wanted)[:SHOWN_MAX])
    roles = {id(s): "typical" for s in typical} | {id(counted[0]): "worst"} if len(counted) > 1 else {}
    return [(s, roles.get(id(s), "")) for s in seen if id(s) in kept]


def used(shot: Row) -> float:
    """Return the largest share of a tolerance that a shot uses."""
    return max((r["used"] or 0.0 for r in shot["readings"]), default=0.0)
