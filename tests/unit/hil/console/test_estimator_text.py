"""What the estimator's screen says of attacks: what is true is for instructors alone."""

from __future__ import annotations

import pytest

from hil.console.looks import ASCII, DARK
from hil.console.pages.estimator_text import Look, attacks
from hil.view.attacks import SlotAttack
from hil.view.station_view import StationView
from tests.support.map_models import shipped_model

SLOT = SlotAttack("LAB.ATK_1", "FDR_B.HEAD.P", "bias", "LAB.ATK_1.TRUE_VALUE", "LAB.ATK_1.LEFT_S")


class LiveView(StationView):
    """A view whose link is told to be live or not."""

    def __init__(self, is_live: bool) -> None:
        super().__init__("opc.tcp://127.0.0.1:1/gridhil", clock_s=lambda: 0.0)
        self.link._is_connected = is_live
        self.link._heard()


def told(role: str, *slots: SlotAttack, attack: dict[str, object] | None = None, is_live: bool = True) -> str:
    view = LiveView(is_live)
    view.status = {"you": {"role": role}, "attack": attack or {}}
    return attacks(Look(view, DARK, ASCII), shipped_model("iowa240"), slots).plain


@pytest.mark.parametrize("role", ["observer", "operator", "engineer"])
def test_others_than_an_instructor_see_no_truth(role: str) -> None:
    text = told(role, SLOT)
    assert "FDR_B.HEAD.P bias (LAB.ATK_1)" in text
    assert "true" not in text


def test_an_instructor_sees_the_truth() -> None:
    assert "true" in told("instructor", SLOT)


def test_an_attack_file_is_told_with_what_acts_now() -> None:
    assert told("observer", attack={"file": "replay", "active": []}) == "file replay: nothing of it acts now"
    assert told("observer", attack={"file": "replay", "active": ["a", "b"]}) == "file replay: a, b"
    assert told("observer") == "none at instruments; none on the board"


def test_a_lost_link_is_not_told_as_no_attack() -> None:
    assert told("instructor", is_live=False) == "? not known without the station"
