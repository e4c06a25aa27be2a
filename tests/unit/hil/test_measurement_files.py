"""Measurement files: what a row means, and every mistake in one report with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from estimation.measurements import Kind
from hil import paths
from hil.measurement_files import find_measurements, read_measurements
from hil.network_files import read_network
from rtcore.errors import UserInputError
from rtcore.network.model import Network

HEADING = "kind,element,phase,value,sigma\n"


@pytest.fixture(scope="module")
def network() -> Network:
    return read_network(paths.find("networks", "ieee13"))


@pytest.fixture(scope="module")
def iowa240() -> Network:
    return read_network(paths.find("networks", "iowa240"))


def problems(tmp_path: Path, network: Network, text: str) -> list[str]:
    """What is wrong with a file: place and words of every problem."""
    path = tmp_path / "m.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserInputError) as caught:
        read_measurements(path, network)
    assert all(p.file == str(path) for p in caught.value.problems)
    return [f"{p.place}: {p.what}" for p in caught.value.problems]


def test_rows_give_places_and_units_and_comments_do_not_count(tmp_path: Path, iowa240: Network) -> None:
    path = tmp_path / "m.csv"
    path.write_text(
        "# a comment\n\nkind,element,phase,value,sigma,name,is_pseudo\n"
        "v_mag,bus1001,b,7900,20,,\n"
        "p_flow,l_1001_1002@bus1001,abc,-12e3,100,head,no\n"
        "# another\n"
        "i_mag,line.l_1001_1002@bus1002,3,12.5,0.1,,\n"
        "q_inj,t_bus1003_l,123,-400,50,,yes\n"
        "v_ang,BUS1001,1,-30,0.1,,\n",
        encoding="utf-8",
    )
    found = read_measurements(path, iowa240)
    v, p, i, q, angle = found.measurements
    assert (v.kind, v.element, v.nodes, v.name) == (Kind.V_MAG, "bus1001", (2,), "v_mag bus1001 b")
    assert (p.element, p.terminal, p.nodes, p.name) == ("line.l_1001_1002", 1, (1, 2, 3), "head")
    assert (i.element, i.terminal, i.nodes) == ("line.l_1001_1002", 2, (3,))
    assert i.name == "i_mag line.l_1001_1002@bus1002 c"
    assert (q.is_pseudo, p.is_pseudo) == (True, False)
    assert (angle.element, angle.nodes) == ("bus1001", (1,))
    assert found.z.tolist() == [7900.0, -12e3, 12.5, -400.0, -30.0]
    assert found.sigma.tolist() == [20.0, 100.0, 0.1, 50.0, 0.1]


def test_ten_mistakes_are_ten_problems_with_their_lines(tmp_path: Path, network: Network) -> None:
    text = HEADING + (
        "v_mag,671,a,2400,5\n"
        "v_mg,671,b,2400,5\n"
        "v_mag,617,a,2400,5\n"
        "v_mag,611,a,2400,5\n"
        "v_mag,671,c,2400,-5\n"
        "v_mag,675,a,2400,0\n"
        "v_mag,675,b,two,5\n"
        "v_mag,671,a,2401,5\n"
        "v_mag,675,c,0.99,0.01\n"
        "p_flow,632670@680,a,1e5,500\n"
        "p_flow,632670,a,1e5,500\n"
        "i_mag,632671@632,a,100,1\n"
        "v_mag,634,abc,277,1\n"
        "v_mag,634\n"
    )
    expected = [
        "line 3 column 'kind': no kind 'v_mg'; kinds are v_mag, v_ang, p_inj, q_inj, p_flow, q_flow, i_mag; "
        "did you mean 'v_mag'?",
        "line 4 column 'element': no bus '617' in this network; did you mean",
        "line 5 column 'phase': bus 611 has no phase a; it has c",
        "line 6 column 'sigma': -5 is negative; a standard deviation is above 0",
        "line 7 column 'sigma': 0 would be exact, which no instrument is",
        "line 8 column 'value': 'two' is not a number",
        "line 9: v_mag 671 a is measured in line 2 already; give second meters names of their own",
        "line 10 column 'value': 0.99 V where 2401.78 V is nominal: per unit?",
        "line 11 column 'element': line.632670 has no end at '680'; it has them at 632 and 670",
        "line 12 column 'element': '632670' names no end; write BRANCH@BUS, e.g. 632670@632",
        "line 13 column 'element': no branch '632671' in this network; did you mean",
        "line 14 column 'phase': 'abc' is a sum; v_mag is of one phase",
        "line 15: 2 cells where the heading has 5",
    ]
    found = problems(tmp_path, network, text)
    assert len(found) == len(expected)
    for is_said, begin in zip(found, expected, strict=True):
        assert is_said.startswith(begin)


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ("v_mag,671,a,2.4,0.01\n", "kV?"),
        ("v_mag,671,a,4160,5\n", "line to line?"),
        ("v_ang,671,a,-0.09,0.01\nv_ang,671,b,-2.13,0.01\nv_ang,671,c,2.02,0.01\n", "radians?"),
        ("p_inj,675,a,-485,5\np_inj,645,b,-170,5\n", "kW?"),
        ("p_inj,675,a,485e3,5e3\np_inj,645,b,170e3,5e3\n", "every load is positive"),
        ("v_mag,671,a,1e12,5\n", "no instrument shows that"),
        ("p_flow,line.692675@692,a,1e15,5e3\n", "no instrument shows that"),
        ("v_mag,671,a,2400,1e-9\n", "nothing is measured so exactly"),
        ("p_inj,675,a,nan,5\n", "not finite"),
        ("i_mag,692675@692,a,-3,1\n", "is a magnitude"),
        ("v_ang,671,a,480,1\n", "beyond a turn"),
        ("v_mag,671,x,2400,5\n", "'x' is no phase"),
        ("p_inj,632670@632,a,1,1\n", "is the end of a branch; this kind is of a bus"),
        ("p_flow,load.645@645,b,1,1\n", "its power is p_inj, q_inj at bus 645"),
        ("", "no measurements in it"),
    ],
)
def test_what_no_instrument_shows_is_refused(tmp_path: Path, network: Network, rows: str, what: str) -> None:
    found = problems(tmp_path, network, HEADING + rows)
    assert len(found) == 1
    assert what in found[0]


def test_one_load_at_another_sign_is_no_mistake_of_units(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "m.csv"
    path.write_text(HEADING + "p_inj,675,a,485e3,5e3\np_inj,645,b,-170e3,5e3\n", encoding="utf-8")
    assert len(read_measurements(path, network).measurements) == 2


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the file is empty"),
        ("kind;element;phase;value;sigma\n", "separated by commas"),
        ("kind,element,fase,value,sigma\n", "unknown column 'fase'"),
        ("kind,element,phase,value,sigma,sigma\n", "stands there twice"),
    ],
)
def test_a_wrong_heading_is_told(tmp_path: Path, network: Network, text: str, what: str) -> None:
    assert any(what in p for p in problems(tmp_path, network, text))


def test_shipped_files_have_names_and_unknown_ones_a_hint() -> None:
    assert find_measurements("ieee13") == paths.config_dir() / "measurements" / "ieee13.csv"
    with pytest.raises(UserInputError, match="did you mean 'ieee13'"):
        find_measurements("ieee31")
