"""Native network folders: exact round trip, and one clear message for every mistake."""

from __future__ import annotations

import dataclasses as dc
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.importers.shipped import write
from hil.network_files import read_network, write_network
from hil.network_tables import TABLES, read_table
from rtcore.errors import Problem, UserInputError
from rtcore.network.admittance import blocks, load_branches, node_table
from rtcore.network.model import Bus, Capacitor, Der, Line, LineCode, Load, Network, Reactor, Source, Switch

NETWORKS = Path(__file__).parents[3] / "config" / "networks"
SHIPPED = ("ieee13", "ieee123", "iowa240", "iowa240-ref")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_network_survives_writing_and_reading(name: str, tmp_path: Path) -> None:
    network = read_network(NETWORKS / name)
    write_network(network, tmp_path / name)
    assert read_network(tmp_path / name) == network


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_folder_is_what_writing_gives_byte_for_byte(name: str, tmp_path: Path) -> None:
    network = read_network(NETWORKS / name)
    write(network, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        p.name for p in (NETWORKS / name).iterdir() if p.name not in ("SOURCE.md", "LICENSE.txt")
    }
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (NETWORKS / name / path.name).read_bytes()


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_network_says_where_it_comes_from_and_under_which_licence(name: str) -> None:
    assert "Converted with" in (NETWORKS / name / "SOURCE.md").read_text(encoding="utf-8")
    assert "Copyright" in (NETWORKS / name / "LICENSE.txt").read_text(encoding="utf-8")


POSITIVE = st.floats(1e-3, 1e6, allow_subnormal=False)
ANY = st.just(0.0) | st.floats(1e-9, 1e9) | st.floats(-1e9, -1e-9)
WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-äß#'\"", min_size=1, max_size=8)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Draw a valid network of a few buses with elements of most kinds."""
    names = draw(st.lists(WORD, min_size=2, max_size=5, unique=True))
    buses = tuple(Bus(name=n, base_kv_ln=draw(POSITIVE), x=draw(st.none() | ANY)) for n in names)
    n = draw(st.integers(1, 3))
    nodes = tuple(range(1, n + 1))
    own, mutual = draw(POSITIVE), draw(st.just(0.0) | st.floats(1e-9, 1e-4))
    matrix = tuple(tuple(own if i == j else mutual for j in range(n)) for i in range(n))
    code = LineCode(
        name=draw(WORD), unit=draw(st.sampled_from(["mi", "none", "km"])), r=matrix, x=matrix, c_nf=matrix
    )
    ends = {"bus1": names[0], "nodes1": nodes, "bus2": names[1], "nodes2": nodes[::-1]}
    low = draw(st.just(0.0) | st.floats(1e-3, 0.6))
    load = Load(
        name=draw(WORD),
        bus=names[-1],
        nodes=(*nodes, 0),
        phases=n,
        conn="wye",
        kv=draw(POSITIVE),
        kw=draw(ANY),
        kvar=draw(ANY),
        model=draw(st.sampled_from([1, 2, 4, 5])),
        vlow_pu=low,
        vmin_pu=low + 0.1,
        vmax_pu=low + draw(st.floats(0.2, 1.0)),
    )
    return Network(
        name=draw(WORD),
        title=draw(st.text(st.characters(codec="utf-8"), max_size=20)),
        base_frequency_hz=draw(st.floats(16.0, 400.0)),
        buses=buses,
        sources=(
            Source(
                name="s",
                bus=names[0],
                nodes=nodes,
                base_kv=draw(POSITIVE),
                r1_ohm=0.0,
                x1_ohm=draw(POSITIVE),
                r0_ohm=0.0,
                x0_ohm=draw(POSITIVE),
            ),
        ),
        linecodes=(code,),
        lines=(
            Line(
                name="l",
                linecode=code.name,
                length=draw(POSITIVE),
                unit="ft",
                rating_a=draw(st.none() | POSITIVE),
                **ends,
            ),
        ),
        switches=(
            Switch(name="w", kind="breaker", r_ohm=draw(POSITIVE), is_closed=draw(st.booleans()), **ends),
        ),
        capacitors=(
            Capacitor(
                name="c",
                bus1=names[0],
                nodes1=nodes,
                phases=n,
                kv=draw(POSITIVE),
                steps_kvar=(draw(POSITIVE), draw(POSITIVE)),
                steps_on=(True, draw(st.booleans())),
            ),
        ),
        reactors=(
            Reactor(
                name="r",
                bus1=names[0],
                nodes1=nodes,
                phases=n,
                r_ohm=0.0,
                x_ohm=draw(POSITIVE),
                parallel_r_ohm=draw(st.none() | POSITIVE),
            ),
        ),
        loads=(load,),
        ders=draw(
            st.just(())
            | st.tuples(
                st.builds(
                    Der,
                    name=WORD,
                    kind=st.just("pv"),
                    bus=st.just(names[-1]),
                    nodes=st.just((*nodes, 0)),
                    kv=POSITIVE,
                    kva=POSITIVE,
                )
            )
        ),
    )


@settings(max_examples=60, deadline=None)  # files on disk: the first example is slow
@given(networks())
def test_any_network_survives_writing_and_reading(network: Network) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_network(network, Path(folder))
        read = read_network(Path(folder))
    assert read == network
    nodes = node_table(read)
    assert len(blocks(read, nodes)) == 5
    assert load_branches(read, nodes).share.sum() == pytest.approx(1.0)


def test_tables_without_rows_keep_their_heading_when_a_network_is_written_over_another(
    tmp_path: Path,
) -> None:
    network = read_network(NETWORKS / "ieee13")
    write_network(network, tmp_path)
    write_network(dc.replace(network, capacitors=()), tmp_path)
    assert (tmp_path / "capacitors.csv").read_text().startswith("name,bus1,nodes1,")
    assert {p.name for p in tmp_path.glob("*.csv")} == {t.file for t in TABLES.values()}
    assert read_network(tmp_path).capacitors == ()


@pytest.mark.parametrize("key", TABLES)
def test_a_table_that_is_not_there_is_noticed_and_makes_no_other_message_up(key: str, tmp_path: Path) -> None:
    shutil.copytree(NETWORKS / "ieee13", tmp_path, dirs_exist_ok=True)
    table = TABLES[key]
    (tmp_path / table.file).unlink()
    with pytest.raises(UserInputError) as caught:
        read_network(tmp_path)
    (problem,) = caught.value.problems
    assert problem.file == str(tmp_path / table.file)
    assert problem.what.startswith("the file is missing")
    # A network cannot do without buses and sources; of the rest the heading will do.
    assert table.is_needed or problem.what.endswith(f"it has its heading alone: {table.heading}")


@pytest.mark.parametrize("key", [k for k, t in TABLES.items() if not t.is_needed])
def test_the_heading_that_the_message_gives_is_one_that_reads(key: str, tmp_path: Path) -> None:
    (tmp_path / TABLES[key].file).write_text(TABLES[key].heading + "\n")
    problems: list[Problem] = []
    assert read_table(tmp_path / TABLES[key].file, TABLES[key], problems) == [] and not problems


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bus,base_kv_ln\n", "no bus; a network needs one or more"),
        ("buss,base_kv_ln\n650,2.4\n", "column 'bus' is missing"),
        ("", "the file is empty; a heading row is needed"),
    ],
)
def test_a_bus_table_without_buses_does_not_make_every_bus_of_the_others_unknown(
    text: str, says: str, tmp_path: Path
) -> None:
    shutil.copytree(NETWORKS / "ieee13", tmp_path, dirs_exist_ok=True)
    (tmp_path / "buses.csv").write_text(text)
    with pytest.raises(UserInputError) as caught:
        read_network(tmp_path)
    found = [str(p) for p in caught.value.problems]
    assert any(says in line for line in found)
    assert all(line.startswith(f"{tmp_path / 'buses.csv'}: ") for line in found)


def test_a_row_with_a_cell_too_few_still_counts_for_those_that_name_it(tmp_path: Path) -> None:
    shutil.copytree(NETWORKS / "ieee13", tmp_path, dirs_exist_ok=True)
    path = tmp_path / "buses.csv"
    lines = path.read_text().splitlines()
    lines[1] = lines[1].rpartition(",")[0]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserInputError) as caught:
        read_network(tmp_path)
    (problem,) = caught.value.problems
    assert problem.place == "row 2" and "cells where the heading has" in problem.what


def test_columns_with_a_default_may_be_left_out(tmp_path: Path) -> None:
    shutil.copytree(NETWORKS / "ieee13", tmp_path, dirs_exist_ok=True)
    path = tmp_path / "buses.csv"
    rows = [line.split(",")[:2] for line in path.read_text().splitlines()]
    path.write_text("\n".join(",".join(r) for r in rows) + "\n")
    assert {b.x for b in read_network(tmp_path).buses} == {None}


# file, text to replace (first occurrence), replacement, place in the message, words of the message
MISTAKES = {
    "unknown column": ("loads.csv", "kvar,", "kwar,", "row 1", "unknown column 'kwar'"),
    "did you mean a column": ("loads.csv", "kvar,", "kwar,", "row 1", "did you mean 'kvar'"),
    "missing column": ("loads.csv", "kvar,", "kwar,", "row 1", "column 'kvar' is missing"),
    "column twice": ("loads.csv", "kvar,", "kw,", "row 1", "column 'kw' stands there twice"),
    "not a number": ("loads.csv", "1155.0", "lots", "row 2 column 'kw'", "'lots' is not a number"),
    "NaN": ("loads.csv", "1155.0", "nan", "row 2 column 'kw'", "not a finite number"),
    "infinity": ("loads.csv", "1155.0", "inf", "row 2 column 'kw'", "not a finite number"),
    "empty cell": ("loads.csv", "1155.0", "", "row 2 column 'kw'", "the cell is empty"),
    "cell too many": ("loads.csv", "1155.0", "1155.0,7", "row 2", "16 cells where the heading has 15"),
    "unknown load model": (
        "loads.csv",
        "660.0,1,",
        "660.0,3,",
        "row 2 column 'model'",
        "load model 3 is not one of",
    ),
    "connection": ("loads.csv", "delta", "delt", "row 2 column 'conn'", "did you mean 'delta'"),
    "load nodes": ("loads.csv", "1 2 3", "1 2", "row 2 column 'nodes'", "2 nodes; 3-phase delta needs 3"),
    "load bus": (
        "loads.csv",
        "671,671,",
        "671,6711,",
        "row 2 column 'bus'",
        "unknown bus '6711'; did you mean '671'",
    ),
    "load voltage band": (
        "loads.csv",
        "0.95,1.05",
        "1.06,1.05",
        "row 2 column 'vmin_pu'",
        "vlow_pu < vmin_pu < vmax_pu",
    ),
    "zip numbers": (
        "loads.csv",
        "660.0,1,",
        "660.0,8,",
        "row 2 column 'zipv'",
        "0 numbers; load model 8 needs 7",
    ),
    "load rating": ("loads.csv", "delta,4.16", "delta,-4.16", "row 2 column 'kv'", "-4.16 must be above 0"),
    "duplicate name": ("loads.csv", "634b", "634a", "row 3 column 'name'", "'634a' stands there 2 times"),
    "upper case": ("loads.csv", "634b", "634B", "row 4 column 'name'", "lower case"),
    "duplicate bus": ("buses.csv", "rg60", "650", "row 3 column 'bus'", "'650' stands there 2 times"),
    "base voltage": ("buses.csv", "66.395", "-66.395", "row 2 column 'base_kv_ln'", "must be above 0"),
    "line bus": ("lines.csv", "632670,632,", "632670,63,", "row 3 column 'bus1'", "unknown bus '63'"),
    "line code": (
        "lines.csv",
        "mtx601",
        "mtx061",
        "row 2 column 'linecode'",
        "unknown line code 'mtx061'; did you mean",
    ),
    "line code phases": (
        "lines.csv",
        "mtx601",
        "mtx605",
        "row 2 column 'linecode'",
        "has 1 phases, the line names 3 nodes",
    ),
    "line ends": ("lines.csv", "1 2 3", "1 2", "row 2 column 'nodes2'", "3 nodes here and 2 in 'nodes1'"),
    "node twice": ("lines.csv", "1 2 3", "1 2 2", "row 2 column 'nodes1'", "a node stands there twice"),
    "negative node": ("lines.csv", "1 2 3", "1 2 -3", "row 2 column 'nodes1'", "negative node"),
    "line without nodes": ("lines.csv", "1 2 3", "", "row 2 column 'nodes1'", "the cell is empty"),
    "length": ("lines.csv", "2000.0", "0.0", "row 2 column 'length'", "0.0 must be above 0"),
    "unit": ("lines.csv", ",ft,", ",feet,", "row 2 column 'unit'", "'feet' is not one of none, mi"),
    "matrix shape": (
        "linecodes.csv",
        "0.086666667 0.029545455 ",
        "0.086666667 ",
        "row 2 column 'r_ohm'",
        "not a square matrix",
    ),
    "matrix asymmetry": (
        "linecodes.csv",
        "0.086666667 0.029545455 ",
        "0.086666667 0.0295 ",
        "row 2 column 'r_ohm'",
        "not symmetric",
    ),
    "switch kind": ("switches.csv", ",switch,", ",swith,", "row 2 column 'kind'", "did you mean 'switch'"),
    "switch position": (
        "switches.csv",
        ",yes,",
        ",true,",
        "row 2 column 'is_closed'",
        "neither 'yes' nor 'no'",
    ),
    "switch impedance": (
        "switches.csv",
        "1.0000000000000001e-07",
        "0.0",
        "row 2 column 'r_ohm'",
        "zero impedance",
    ),
    "winding of nothing": (
        "windings.csv",
        "sub,2",
        "subb,2",
        "row 3 column 'transformer'",
        "unknown transformer 'subb'; did you mean 'sub'",
    ),
    "winding nodes": (
        "windings.csv",
        "1 2 3 0",
        "1 2 3",
        "row 3 column 'nodes'",
        "3-phase wye needs 4 (the neutral last)",
    ),
    "reactance count": (
        "transformers.csv",
        "0.008",
        "0.008 1 2",
        "row 2 column 'x_pct'",
        "3 reactances; 2 windings have 1 pairs",
    ),
    "zero reactance": ("transformers.csv", "0.008", "0", "row 2 column 'x_pct'", "a reactance is 0"),
    "phases": ("transformers.csv", "sub,3", "sub,5", "row 2 column 'phases'", "5 is not 1, 2 or 3"),
    "regulator of nothing": (
        "regulators.csv",
        "reg2,reg2",
        "reg4,reg2",
        "row 3 column 'transformer'",
        "unknown transformer 'reg4'",
    ),
    "tap out of range": (
        "regulators.csv",
        "reg1,reg1,2,9",
        "reg1,reg1,2,17",
        "row 2 column 'tap'",
        "17 is outside -16 to 16",
    ),
    "fractional tap": (
        "regulators.csv",
        "reg1,reg1,2,9",
        "reg1,reg1,2,9.5",
        "row 2 column 'tap'",
        "not a whole number",
    ),
    "tapped winding": (
        "regulators.csv",
        "reg1,reg1,2,9",
        "reg1,reg1,3,9",
        "row 2 column 'tapped_winding'",
        "3 is not a winding",
    ),
    "controlled bus": (
        "regulators.csv",
        "16,,0,",
        "16,6711,1,",
        "row 2 column 'controlled_bus'",
        "unknown bus '6711'",
    ),
    "capacitor positions": (
        "capacitors.csv",
        "600.0,yes",
        "600.0,yes no",
        "row 2 column 'steps_on'",
        "2 positions for 1 steps",
    ),
    "capacitor nodes": (
        "capacitors.csv",
        "1 2 3",
        "1 2",
        "row 2 column 'nodes1'",
        "2 nodes; 3-phase wye needs 3",
    ),
    "source impedance": (
        "sources.csv",
        "0.16037668205527517,0.6415067282211007",
        "0,0",
        "row 2 column 'r1_ohm'",
        "zero impedance",
    ),
    "frequency": ("network.toml", "60.0", "0.0", "'base_frequency_hz'", "not a positive number"),
    "unknown key": ("network.toml", "title", "titel", "'titel'", "did you mean 'title'"),
    "missing key": ("network.toml", "title", "titel", "'title'", "the key is missing"),
    "not TOML": ("network.toml", "title =", "title", "", "not a TOML file"),
    "other format": ("network.toml", "format = 1", "format = 2", "'format'", "this program reads 1"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_with_file_place_and_what_is_wrong(mistake: str, tmp_path: Path) -> None:
    file, old, new, place, words = MISTAKES[mistake]
    shutil.copytree(NETWORKS / "ieee13", tmp_path, dirs_exist_ok=True)
    text = (tmp_path / file).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserInputError) as caught:
        read_network(tmp_path)
    found = [p for p in caught.value.problems if p.file == str(tmp_path / file) and words in p.what]
    assert [p.place for p in found][:1] == [place], str(caught.value)


@pytest.mark.parametrize(
    ("moved", "words"),
    [("xfm1,3", "1 windings in windings.csv"), ("sub,3", "numbered 1, 3; they must be 1 to 2")],
)
def test_a_transformer_without_all_its_windings_is_reported(moved: str, words: str, tmp_path: Path) -> None:
    shutil.copytree(NETWORKS / "ieee13", tmp_path, dirs_exist_ok=True)
    path = tmp_path / "windings.csv"
    path.write_text(path.read_text().replace("sub,2", moved, 1))
    with pytest.raises(UserInputError) as caught:
        read_network(tmp_path)
    assert f"transformers.csv: row 2 column 'name': {words}" in str(caught.value).replace(
        "windings of 'sub' are ", ""
    )


def test_three_windings_with_impossible_reactances_are_refused(tmp_path: Path) -> None:
    shutil.copytree(NETWORKS / "ieee13", tmp_path, dirs_exist_ok=True)
    windings, transformers = tmp_path / "windings.csv", tmp_path / "transformers.csv"
    rows = windings.read_text()
    sub = next(row for row in rows.splitlines() if row.startswith("sub,2"))
    windings.write_text(rows + sub.replace("sub,2", "sub,3", 1) + "\n")
    transformers.write_text(transformers.read_text().replace("0.008", "4 1 1", 1))
    with pytest.raises(UserInputError, match="no impedance between two windings"):
        read_network(tmp_path)


@pytest.mark.parametrize("file", ["network.toml", "buses.csv", "sources.csv"])
def test_a_needed_file_that_is_missing_is_named(file: str, tmp_path: Path) -> None:
    shutil.copytree(NETWORKS / "ieee13", tmp_path, dirs_exist_ok=True)
    (tmp_path / file).unlink()
    with pytest.raises(UserInputError, match=f"{file}: the file is missing"):
        read_network(tmp_path)


def test_a_misspelt_table_is_not_passed_over(tmp_path: Path) -> None:
    shutil.copytree(NETWORKS / "ieee13", tmp_path, dirs_exist_ok=True)
    (tmp_path / "loads.csv").rename(tmp_path / "load.csv")
    with pytest.raises(UserInputError, match=r"did you mean 'loads\.csv'"):
        read_network(tmp_path)


def test_a_network_without_source_is_refused(tmp_path: Path) -> None:
    shutil.copytree(NETWORKS / "ieee13", tmp_path, dirs_exist_ok=True)
    path = tmp_path / "sources.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(UserInputError, match=r"sources.csv: no source"):
        read_network(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b'name,bus\n"open'], ids=["empty", "not UTF-8", "quote"]
)
def test_a_file_that_is_no_table_is_refused_without_traceback(content: bytes, tmp_path: Path) -> None:
    shutil.copytree(NETWORKS / "ieee13", tmp_path, dirs_exist_ok=True)
    (tmp_path / "lines.csv").write_bytes(content)
    with pytest.raises(UserInputError, match=r"lines\.csv"):
        read_network(tmp_path)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="no such network folder"):
        read_network(tmp_path / "nowhere")


def test_all_problems_of_all_files_come_in_one_report(tmp_path: Path) -> None:
    shutil.copytree(NETWORKS / "ieee13", tmp_path, dirs_exist_ok=True)
    for file, old, new in (
        ("loads.csv", "1155.0", "x"),
        ("lines.csv", "2000.0", "-1"),
        ("buses.csv", "rg60", "rg6o"),
    ):
        path = tmp_path / file
        path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UserInputError) as caught:
        read_network(tmp_path)
    text = str(caught.value)
    assert "'x' is not a number" in text
    assert "-1.0 must be above 0" in text
    # one line end and three regulator windings stand on the bus that is gone
    assert text.count("unknown bus 'rg60'; did you mean 'rg6o'?") == 4
    assert len(caught.value.problems) == 6


NONSENSE = st.sampled_from(
    ["", "0", "-1", "1e999", "1 2", "1 2 3 4 5", "x", "yes", "| |", "wye", "671", "1e-320", "8"]
)


@settings(max_examples=150, deadline=None)  # files on disk
@given(st.data())
def test_nonsense_in_any_cell_is_read_or_refused_but_never_crashes(data: st.DataObject) -> None:
    source = NETWORKS / "ieee13"
    path = data.draw(st.sampled_from(sorted(source.glob("*.csv"))))
    lines = path.read_text(encoding="utf-8").splitlines()
    row = data.draw(st.integers(0, min(len(lines) - 1, 5)))
    cells = lines[row].split(",")
    cells[data.draw(st.integers(0, len(cells) - 1))] = data.draw(NONSENSE)
    lines[row] = ",".join(cells)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(source, folder, dirs_exist_ok=True)
        (folder / path.name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        try:
            network = read_network(folder)
        except UserInputError as error:
            assert error.problems
        else:
            nodes = node_table(network)
            assert all(np.isfinite(b.y).all() for b in blocks(network, nodes))
            assert (load_branches(network, nodes).vb_v > 0.0).all()
