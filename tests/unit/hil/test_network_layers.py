"""Network folders that extend another: rows replaced, added and removed; one message for every mistake."""

from __future__ import annotations

import dataclasses as dc
from pathlib import Path

import pytest

from hil.network_files import read_network, write_network, write_overlay
from hil.settings_check import check_file
from rtcore.errors import UserInputError
from rtcore.network.model import Network

NETWORKS = Path(__file__).parents[3] / "config" / "networks"
IEEE13 = read_network(NETWORKS / "ieee13")
HEAD = 'format = 1\nname = "mine"\ntitle = "Mine"\n'
LOADS = "name,bus,nodes,phases,conn,kv,kw,kvar\n"
WINDINGS = "transformer,winding,bus,nodes,conn,kv,kva,r_pct\n"
TRANSFORMERS = "name,phases,x_pct\n"


def overlay(folder: Path, toml: str = 'extends = "ieee13"\n', **tables: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "network.toml").write_text(HEAD + toml)
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def problems(folder: Path) -> list[str]:
    with pytest.raises(UserInputError) as caught:
        read_network(folder)
    return [str(p).replace(f"{folder}/", "").replace(f"{NETWORKS}/", "") for p in caught.value.problems]


# ---------------------------------------------------------------- what an overlay says


def test_an_overlay_without_tables_is_its_base_under_another_name(tmp_path: Path) -> None:
    read = read_network(overlay(tmp_path / "mine"))
    assert read == dc.replace(IEEE13, name="mine", title="Mine")


def test_a_row_of_a_known_name_takes_its_place_and_a_new_one_comes_last(tmp_path: Path) -> None:
    rows = "fresh,671,1 2 3 0,3,wye,4.16,10,1\n671,671,1 2 3,3,delta,4.16,5,6\n"
    read = read_network(overlay(tmp_path / "mine", loads=LOADS + rows))
    assert [d.name for d in read.loads] == [*(d.name for d in IEEE13.loads), "fresh"]
    loads = {d.name: d for d in read.loads}
    assert (loads["671"].kw, loads["671"].kvar, loads["fresh"].kw) == (5.0, 6.0, 10.0)
    others = [d for d in read.loads if d.name not in ("671", "fresh")]
    assert others == [d for d in IEEE13.loads if d.name != "671"]


def test_windings_of_a_transformer_are_replaced_as_a_set(tmp_path: Path) -> None:
    rows = "xfm1,1,633,1 2 3 0,wye,4.16,750,0.5\nxfm1,2,634,1 2 3 0,wye,0.48,750,0.5\n"
    read = read_network(overlay(tmp_path / "mine", windings=WINDINGS + rows))
    before = next(t for t in IEEE13.transformers if t.name == "xfm1")
    after = next(t for t in read.transformers if t.name == "xfm1")
    assert [w.kva for w in after.windings] == [750.0, 750.0]
    assert after.x_pct == before.x_pct  # the transformer's own row stays the base's
    assert [t.name for t in read.transformers] == [t.name for t in IEEE13.transformers]
    assert read.regulators == IEEE13.regulators


def test_a_transformer_row_asks_for_windings_of_its_own(tmp_path: Path) -> None:
    folder = overlay(tmp_path / "mine", transformers=TRANSFORMERS + "xfm1,3,2\n")
    assert problems(folder) == [
        "transformers.csv: row 2 column 'name': 0 windings in windings.csv; two or more are needed"
    ]
    rows = "xfm1,2,634,1 2 3 0,wye,0.48,750,0.5\nxfm1,1,633,1 2 3 0,wye,4.16,750,0.5\n"
    read = read_network(overlay(folder, windings=WINDINGS + rows))
    assert next(t for t in read.transformers if t.name == "xfm1").x_pct == (2.0,)


def test_half_a_set_of_windings_is_reported_with_the_file_they_stand_in(tmp_path: Path) -> None:
    folder = overlay(tmp_path / "mine", windings=WINDINGS + "xfm1,1,633,1 2 3 0,wye,4.16,750,0.5\n")
    (found,) = problems(folder)
    assert found.startswith("ieee13/transformers.csv: row ")
    assert found.endswith("1 windings in windings.csv; two or more are needed")
    assert f"{folder}/windings.csv" in "\n".join(str(p) for p in check_file(folder))


def test_removed_elements_are_gone_with_what_belongs_to_them(tmp_path: Path) -> None:
    toml = 'extends = "ieee13"\nremove = ["load.671", "transformer.xfm1", "regulator.reg1", "load.634a"]\n'
    read = read_network(overlay(tmp_path / "mine", toml))
    assert {d.name for d in IEEE13.loads} - {d.name for d in read.loads} == {"671", "634a"}
    assert "xfm1" not in [t.name for t in read.transformers]
    # Without its tap changer a regulator is a transformer at nominal ratio.
    assert "reg1" in [t.name for t in read.transformers]
    assert [r.name for r in read.regulators] == ["reg2", "reg3"]
    gone = read_network(overlay(tmp_path / "other", toml.replace("regulator.reg1", "transformer.reg1")))
    assert "reg1" not in [e.name for e in (*gone.transformers, *gone.regulators)]


def test_a_removed_element_may_be_given_anew(tmp_path: Path) -> None:
    toml = 'extends = "ieee13"\nremove = ["load.671"]\n'
    rows = LOADS + "671,671,1 2 3,3,delta,4.16,5,6\n"
    assert read_network(overlay(tmp_path / "mine", toml, loads=rows)).loads[-1].name == "671"


def test_overlays_go_over_overlays_and_paths_are_beside_the_folder(tmp_path: Path) -> None:
    overlay(tmp_path / "one", loads=LOADS + "one,671,1 0,1,wye,2.4,1,0\n")
    two = overlay(
        tmp_path / "two",
        'extends = "../one"\nremove = ["load.one"]\n',
        loads=LOADS + "two,671,1 0,1,wye,2.4,1,0\n",
    )
    names = [d.name for d in IEEE13.loads]
    assert [d.name for d in read_network(tmp_path / "one").loads] == [*names, "one"]
    assert [d.name for d in read_network(two).loads] == [*names, "two"]


def test_the_folders_in_the_documentation_read(tmp_path: Path) -> None:
    text = (NETWORKS.parents[1] / "docs" / "networks.md").read_text()
    alone, extending = (part.partition("```")[0] for part in text.split("```toml\n")[1:])
    write_network(IEEE13, tmp_path / "alone")
    (tmp_path / "alone" / "network.toml").write_text(alone)
    assert read_network(tmp_path / "alone") == dc.replace(IEEE13, name="mine", title="My feeder")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "network.toml").write_text(extending)
    base = read_network(NETWORKS / "iowa240")
    assert {d.name for d in base.loads} - {d.name for d in read_network(tmp_path / "more").loads} == {
        "load_1003"
    }


def test_an_overlay_needs_no_file_of_a_table_that_does_not_differ(tmp_path: Path) -> None:
    write_network(IEEE13, tmp_path / "base")
    (tmp_path / "base" / "reactors.csv").unlink()
    folder = overlay(tmp_path / "mine", 'extends = "../base"\n')
    (found,) = problems(folder)  # the base stands alone, and its file is missed there
    assert "/base/reactors.csv: the file is missing" in found


# ---------------------------------------------------------------- mistakes


def test_every_mistake_of_an_overlay_and_of_its_base_comes_in_one_report(tmp_path: Path) -> None:
    write_network(IEEE13, tmp_path / "base")
    path = tmp_path / "base" / "lines.csv"
    path.write_text(path.read_text().replace("2000.0", "-1", 1))
    toml = 'extends = "../base"\nremove = ["load.67l", "lod.671", "bus.680", 5]\ntitel = "x"\n'
    loads = LOADS + "671,671,1 2,3,delta,4.16,5,6\nx,67l,1 0,1,wye,2.4,nan,0\n"
    found = problems(overlay(tmp_path / "mine", toml, loads=loads, load=LOADS))
    expected = {
        "../base/lines.csv: row 2 column 'length'": "-1.0 must be above 0",
        "../base/lines.csv: row 5 column 'bus2'": "unknown bus '680'; ",
        "load.csv": "not a table of a network; tables are",
        "loads.csv: row 2 column 'nodes'": "2 nodes; 3-phase delta needs 3",
        "loads.csv: row 3 column 'kw'": "'nan' is not a finite number",
        "network.toml: 'remove': '": "'load.67l': the base has no load '67l'; did you mean '671'?",
        "network.toml: 'remove': 'l": "'lod.671': unknown kind 'lod'; kinds are bus, source, ",
        "network.toml: 'remove': 5": "5 is not an element; write it like 'load.name'",
        "network.toml: 'titel'": "unknown key; keys are format, name, title, base_frequency_hz, extends, rem",
    }
    text = "\n".join(found)
    for place, words in expected.items():
        assert any(line.startswith(place) and words in line for line in found), (place, text)
    removal = next(line for line in found if "unknown bus '680'" in line)
    assert removal.endswith("network.toml removes it")
    assert len(found) == len(expected), text


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('extends = "ieee31"\n', "'extends': no network 'ieee31'; did you mean 'ieee13'?"),
        ('extends = "../nowhere"\n', "'extends': no network '../nowhere'; searched: "),
        ("extends = 13\n", "'extends': 13 is of the wrong type"),
        ('base_frequency_hz = 60.0\nremove = ["load.671"]\n', "'remove': there is nothing to remove without"),
        (
            'extends = "ieee13"\nbase_frequency_hz = 50.0\n',
            "'base_frequency_hz': 50.0 here and 60.0 in ieee13/network.toml",
        ),
        ('extends = "ieee13"\nremove = "load.671"\n', "'remove': 'load.671' is of the wrong type"),
        (
            'extends = "ieee13"\nremove = ["source.source"]\n',
            "'remove': no source; a network needs one or more",
        ),
    ],
)
def test_an_overlay_that_cannot_be_is_refused(toml: str, says: str, tmp_path: Path) -> None:
    folder = overlay(tmp_path / "mine", toml)
    assert any(line.startswith(f"network.toml: {says}") for line in problems(folder)), problems(folder)


def test_a_base_that_is_missing_hides_no_mistake_in_the_overlay_and_makes_none_up(tmp_path: Path) -> None:
    folder = overlay(tmp_path / "mine", 'extends = "../gone"\n', loads=LOADS + "a,671,1 0,1,wye,2.4,x,0\n")
    found = problems(folder)
    assert len(found) == 2  # nothing about buses or sources, which the base would have
    assert found[0] == "loads.csv: row 2 column 'kw': 'x' is not a number"
    assert found[1].startswith("network.toml: 'extends': no network '../gone'")


def test_folders_that_extend_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    a = overlay(tmp_path / "a", 'extends = "../b"\n')
    overlay(tmp_path / "b", 'extends = "../a"\n')
    (found,) = problems(a)
    assert found.startswith("../b/network.toml: 'extends': goes round in a circle: ")
    itself = overlay(tmp_path / "c", 'extends = "."\n')
    assert "goes round in a circle" in "".join(problems(itself))


# ---------------------------------------------------------------- writing


def changed(network: Network) -> Network:
    first, *rest = network.loads
    units = tuple(
        dc.replace(t, windings=tuple(dc.replace(w, kva=w.kva / 2) for w in t.windings))
        for t in network.transformers
    )
    return dc.replace(
        network,
        name="changed",
        title='A "quoted" title',
        loads=(*rest[1:], dc.replace(first, name="behind")),
        transformers=units,
        regulators=network.regulators[1:],
        capacitors=(dc.replace(network.capacitors[0], kv=4.0), *network.capacitors[1:]),
    )


def test_an_overlay_holds_what_differs_and_reads_back_equal(tmp_path: Path) -> None:
    network = changed(IEEE13)
    write_overlay(network, tmp_path / "mine", "ieee13")
    assert read_network(tmp_path / "mine") == network
    rows = {p.stem: len(p.read_text().splitlines()) - 1 for p in (tmp_path / "mine").glob("*.csv")}
    units = sum(len(t.windings) for t in IEEE13.transformers)
    assert rows == {"loads": 1, "windings": units, "capacitors": 1}
    toml = (tmp_path / "mine" / "network.toml").read_text()
    assert 'remove = ["transformer.reg1", "load.671", "load.634a"]' in toml


def test_an_order_that_an_overlay_cannot_give_is_refused_in_writing(tmp_path: Path) -> None:
    turned = dc.replace(IEEE13, loads=IEEE13.loads[::-1])
    with pytest.raises(ValueError, match="cannot be written as an overlay of ieee13"):
        write_overlay(turned, tmp_path / "mine", "ieee13")


def test_a_full_network_may_be_written_over_an_overlay(tmp_path: Path) -> None:
    write_overlay(changed(IEEE13), tmp_path / "mine", "ieee13")
    write_network(IEEE13, tmp_path / "mine")
    assert read_network(tmp_path / "mine") == IEEE13
    assert "extends" not in (tmp_path / "mine" / "network.toml").read_text()
