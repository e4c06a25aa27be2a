import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hil.paths import config_dir
from hil.profile_settings import ProfileSettings
from hil.profiles import Profile, check_coverage, interval_at, read_profile
from hil.settings_types import iso
from rtcore.errors import UserInputError

DATA = Path(__file__).parents[2] / "data"
TABLES = DATA / "profiles"
LOADS = ["load_a", "load_b", "load_c"]
HOUR_NS = 3600 * 10**9
START = "2024-03-01T00:00:00+01:00"


def user_tables(**keys: object) -> ProfileSettings:
    keys = {"p_file": "good_p_kw.csv", "p_unit": "kW", "q_file": "good_q_var.csv", "q_unit": "var"} | keys
    return ProfileSettings.model_validate({k: v for k, v in keys.items() if v is not None})


def read(**keys: object) -> Profile:
    return read_profile(user_tables(**keys), LOADS, folder=TABLES)


def problems(**keys: object) -> list[str]:
    with pytest.raises(UserInputError) as caught:
        read(**keys)
    return [str(p).replace(f"{TABLES}/", "") for p in caught.value.problems]


@pytest.fixture(scope="module")
def year() -> Profile:
    return read_profile("iowa240_2017")


@pytest.fixture(scope="module")
def year_ref() -> Profile:
    return read_profile("iowa240_2017_ref")


def made_up(n: int, step_s: int, *, wraps: bool = False) -> Profile:
    return Profile(
        name="made_up",
        start_utc_ns=1_000 * HOUR_NS,
        step_ns=step_s * 10**9,
        load_names=("load_a",),
        p_w=np.arange(float(n)).reshape(n, 1),
        q_var=np.zeros((n, 1)),
        wraps=wraps,
        utc_offset_s=0,
    )


# ---------------------------------------------------------------- the shipped year


def test_shipped_year_has_every_hour_and_load_and_starts_at_local_midnight(year: Profile) -> None:
    assert year.p_w.shape == year.q_var.shape == (8760, 194)
    assert year.p_w.dtype == year.q_var.dtype == np.float64
    assert iso(year.start_utc_ns, year.utc_offset_s) == "2017-01-01T00:00:00-06:00"
    assert year.step_ns == HOUR_NS
    assert year.wraps


def test_shipped_active_power_is_whole_watts_with_the_published_first_hour_at_bus_2002(year: Profile) -> None:
    assert np.array_equal(year.p_w, np.rint(year.p_w))
    assert year.p_w[0, year.load_names.index("load_2002")] == 27_940.0  # the circuit file's 27.94 kW


def test_shipped_reactive_power_of_feeders_a_and_b_lies_on_whole_percent_power_factors(year: Profile) -> None:
    ab = [i for i, n in enumerate(year.load_names) if n[5] in "12"]
    p, q = year.p_w[:, ab], year.q_var[:, ab]
    pf_pct = 100 * p[p > 0] / np.hypot(p, q)[p > 0]
    # Rebuilt from the percent, so only rounding of doubles (relative 1e-16, times 100) is left.
    assert np.abs(pf_pct - np.rint(pf_pct)).max() < 1e-9
    assert np.rint(pf_pct).min() == 90 and np.rint(pf_pct).max() == 99


def test_shipped_reactive_power_agrees_with_the_published_circuit_in_the_first_hour(year: Profile) -> None:
    # Kvar of the published circuit's load file, hour 0; its 12 digits leave far less than 1 var.
    published = {"load_1003": 3832.035216364534, "load_1004": 3337.947946542479}
    for name, q_var in published.items():
        assert year.q_var[0, year.load_names.index(name)] == pytest.approx(q_var, abs=1e-3)


def test_shipped_feeder_c_has_one_power_factor_in_any_one_hour(year: Profile) -> None:
    c = [i for i, n in enumerate(year.load_names) if n.startswith("load_3")]
    assert len(c) == 135
    p, q = year.p_w[:, c], year.q_var[:, c]
    ratio = q.sum(1) / p.sum(1)
    assert np.allclose(q, p * ratio[:, None], rtol=1e-12, atol=1e-9)  # rounding of doubles


def test_overlay_replaces_active_power_of_bus_2002_and_nothing_else(year: Profile, year_ref: Profile) -> None:
    differs = np.flatnonzero((year.p_w != year_ref.p_w).any(axis=0))
    assert [year.load_names[i] for i in differs] == ["load_2002"]
    assert np.array_equal(year.q_var, year_ref.q_var)
    assert year_ref.p_w[0, differs[0]] == 206_680.0


def test_reference_year_is_the_sum_of_the_overlaid_loads_plus_losses(year_ref: Profile) -> None:
    rows = np.genfromtxt(DATA / "reference" / "iowa240_year.csv", delimiter=",", names=True)
    assert len(rows) == 8760
    losses = rows["p_kw"] * 1000.0 - year_ref.p_w.sum(axis=1)
    # Published losses of the system are 0.35 to 1.83 % of the source power; the loads follow
    # voltage outside 0.95..1.05 pu only, so nothing else stands between the two sums.
    assert (losses / (rows["p_kw"] * 1000.0)).min() > 0.003
    assert (losses / (rows["p_kw"] * 1000.0)).max() < 0.019


def test_source_notes_state_the_checksums_that_the_profile_files_verify() -> None:
    for name in ("iowa240_2017", "iowa240_2017_ref"):
        folder = config_dir() / "profiles" / name
        stated = {line for line in (folder / "profile.toml").read_text().split('"') if len(line) == 64}
        noted = {w for w in (folder / "SOURCE.md").read_text().split() if len(w) == 64}
        assert stated and stated == noted


def test_shipped_profile_stays_small_enough_for_the_wheel() -> None:
    files = (config_dir() / "profiles").rglob("*")
    assert sum(f.stat().st_size for f in files if f.is_file()) < 8_000_000


def test_reading_the_year_is_quick_and_does_not_import_pandas() -> None:
    code = (
        "import sys, time, pyarrow.parquet, pyarrow.csv; from hil.profiles import read_profile;"
        "t = time.process_time();"
        "read_profile('iowa240_2017'); print(time.process_time() - t, 'pandas' in sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert out[1] == "False"
    assert float(out[0]) < 0.5  # CPU time; about 0.15 s on a quiet two-core machine


def test_a_damaged_table_is_refused_by_its_checksum(tmp_path: Path) -> None:
    folder = tmp_path / "iowa240_2017"
    folder.mkdir()
    for file in (config_dir() / "profiles" / "iowa240_2017").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    lines = (folder / "tan_phi_c.csv").read_text().splitlines()
    (folder / "tan_phi_c.csv").write_text("\n".join([lines[0], "0.3", *lines[2:]]) + "\n")
    with pytest.raises(UserInputError, match=r"tan_phi_c\.csv: the checksum differs"):
        read_profile(str(folder))


def test_profile_order_follows_the_network_and_missing_and_unknown_loads_are_named(year: Profile) -> None:
    backwards = list(reversed(year.load_names))
    turned = read_profile("iowa240_2017", backwards)
    assert turned.load_names == tuple(backwards)
    assert np.array_equal(turned.p_w, year.p_w[:, ::-1])
    assert np.array_equal(turned.q_var, year.q_var[:, ::-1])
    with pytest.raises(UserInputError) as caught:
        read_profile("iowa240_2017", [*year.load_names[1:], "load_9999"])
    text = str(caught.value)
    assert "column 'load_1003': no load of that name in the network" in text
    assert "no column for 1 load(s): load_9999" in text


# ---------------------------------------------------------------- a user's own tables


def test_two_csv_files_with_time_stamps_are_read_in_si_units_and_network_order() -> None:
    profile = read()
    assert profile.load_names == tuple(LOADS)
    assert profile.p_w[0].tolist() == [1000.0, 2000.0, 3500.0]
    assert profile.q_var[0].tolist() == [100.0, 200.0, 350.0]
    assert profile.step_ns == 900 * 10**9
    assert iso(profile.start_utc_ns, profile.utc_offset_s) == START
    assert not profile.wraps


def test_one_file_holds_both_powers_with_start_and_step_stated() -> None:
    profile = read_profile(
        ProfileSettings.model_validate(
            {"file": "good_both.csv", "p_unit": "kW", "q_unit": "kvar", "start": START, "step_s": 900}
        ),
        LOADS,
        folder=TABLES,
    )
    assert profile.p_w.tolist() == [[1000, 2000, 3500], [1500, 2500, 4000]]
    assert profile.q_var[1].tolist() == [150, 250, 400]


def test_a_stated_power_factor_gives_reactive_power() -> None:
    profile = read(q_file=None, q_unit=None, power_factor=0.8)
    assert profile.q_var == pytest.approx(profile.p_w * 0.75)  # tan(acos 0.8)


@pytest.mark.parametrize("unit", ["ns", "us", "s"])
def test_parquet_with_a_time_column_reads_the_same_as_csv(tmp_path: Path, unit: str) -> None:
    csv = read()
    stamps = csv.start_utc_ns + np.arange(csv.n_t) * csv.step_ns
    time = pa.array(stamps, pa.timestamp("ns", "Europe/Paris")).cast(pa.timestamp(unit, "Europe/Paris"))
    for name, power in (("p", csv.p_w), ("q", csv.q_var)):
        table = {"time": time} | {n: power[:, i].astype(np.int32) for i, n in enumerate(LOADS)}
        pq.write_table(pa.table(table), tmp_path / f"{name}.parquet", row_group_size=2)
    settings = user_tables(p_file="p.parquet", p_unit="W", q_file="q.parquet")
    profile = read_profile(settings, LOADS, folder=tmp_path)
    assert np.array_equal(profile.p_w, csv.p_w) and np.array_equal(profile.q_var, csv.q_var)
    assert (profile.start_utc_ns, profile.step_ns) == (csv.start_utc_ns, csv.step_ns)
    assert profile.utc_offset_s == 3600


def test_stamps_across_a_daylight_saving_change_are_regular_in_utc(tmp_path: Path) -> None:
    rows = ["2024-03-31T00:00:00+01:00", "2024-03-31T01:00:00+01:00", "2024-03-31T03:00:00+02:00"]
    (tmp_path / "p.csv").write_text("time,load_a\n" + "".join(f"{r},1\n" for r in rows))
    settings = user_tables(p_file="p.csv", q_file=None, q_unit=None, power_factor=1.0)
    profile = read_profile(settings, ["load_a"], folder=tmp_path)
    assert profile.step_ns == HOUR_NS


def test_stamps_without_an_offset_are_read_with_the_stated_one(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("time,load_a\n2024-01-01 00:00,1\n2024-01-01 01:00,2\n")
    keys = {"p_file": "p.csv", "q_file": None, "q_unit": None, "power_factor": 1.0}
    with pytest.raises(UserInputError, match="has no UTC offset; add it, or state utc_offset"):
        read_profile(user_tables(**keys), ["load_a"], folder=tmp_path)
    profile = read_profile(user_tables(**keys, utc_offset="-06:00"), ["load_a"], folder=tmp_path)
    assert iso(profile.start_utc_ns, profile.utc_offset_s) == "2024-01-01T00:00:00-06:00"


# ---------------------------------------------------------------- what is refused, and where it is


def test_every_wrong_cell_is_named_with_row_line_and_column() -> None:
    assert problems(p_file="bad_cells.csv") == [
        "bad_cells.csv: row 1 (line 2), column 'load_b': 'NaN' is not a finite number",
        "bad_cells.csv: row 2 (line 3), column 'load_a': the cell is empty; a number is needed",
        "bad_cells.csv: row 2 (line 3), column 'load_c': 'inf' is not a finite number",
        "bad_cells.csv: row 3 (line 4), column 'load_b': '12 kW' is not a number",
        "bad_cells.csv: row 4 (line 5): 3 cells; the header has 4",
        "bad_cells.csv: row 5 (line 6), column 'load_b': '1e999' is not a finite number",
    ]


def test_irregular_duplicate_and_backward_stamps_are_named() -> None:
    found = problems(p_file="bad_stamps.csv")
    assert [p.split(": ")[1] for p in found] == [
        "row 3 (line 4), column 'time'",
        "row 5 (line 6), column 'time'",
        "row 6 (line 7), column 'time'",
    ]
    assert "stands in the row before, too" in found[0]
    assert "is 3600 s after 2024-03-01T00:30:00+01:00; every step must be 900 s" in found[1]
    assert "is earlier than" in found[2]


def test_stamps_that_are_no_stamps_are_named() -> None:
    found = problems(p_file="bad_time_text.csv")
    assert "'yesterday' is not a time stamp" in found[0]
    assert "row 2 (line 3), column 'time': '2024-03-01T00:15:00' has no UTC offset" in found[1]


def test_unknown_columns_get_a_suggestion_and_missing_loads_are_listed() -> None:
    found = problems(p_file="bad_columns.csv", q_file=None, q_unit=None, power_factor=0.9)
    assert len(found) == 3
    assert "no column for 2 load(s): load_b, load_c" in "\n".join(found)
    assert "column 'load_bb': no load of that name in the network; did you mean 'load_b'?" in "\n".join(found)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_doubled_column_hides_no_unknown_or_missing_one_and_no_wrong_cell(
    suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"p.{suffix}"
    names, rows = ["load_a", "load_a", "load_bb"], [[1.0, 2.0, 3.0], [1.0, 2.0, float("nan")]]
    if suffix == "csv":
        path.write_text("\n".join(",".join(map(str, r)) for r in (names, *rows)) + "\n")
    else:
        pq.write_table(pa.table(list(map(pa.array, zip(*rows, strict=True))), names=names), path)
    found = "\n".join(
        problems(p_file=str(path), q_file=None, q_unit=None, power_factor=0.9, start=START, step_s=900)
    )
    assert "column 'load_a': appears 2 times; once is allowed" in found
    assert "column 'load_bb': no load of that name in the network; did you mean 'load_b'?" in found
    assert "no column for 2 load(s): load_b, load_c" in found
    assert "is not a finite number" in found
    assert len(found.splitlines()) == 4


def test_a_wrong_cell_hides_no_missing_column_and_makes_no_missing_time_up() -> None:
    found = problems(p_file="bad_cells.csv", q_file="bad_columns.csv")
    assert any(p.startswith("bad_cells.csv: row 1 (line 2), column 'load_b'") for p in found)
    assert any("bad_columns.csv: header: no column for 2 load(s)" in p for p in found)
    assert not [p for p in found if p.startswith("bad_cells.csv: header")]


def folder_with(tmp_path: Path, toml: str, **tables: str) -> list[str]:
    (tmp_path / "profile.toml").write_text(toml)
    for name, text in tables.items():
        (tmp_path / f"{name}.csv").write_text(text)
    with pytest.raises(UserInputError) as caught:
        read_profile(str(tmp_path), ["load_a", "load_b"])
    return [str(p).replace(f"{tmp_path}/", "") for p in caught.value.problems]


PROFILE = f"""title = "t"
start = {START}
step_s = 900
p = {{ file = "p.csv", unit = "W" }}
q = [{{ file = "q.csv", unit = "pf_pct" }}]
"""
WRONG = {"p": "load_a,load_b\n1,x\n", "q": "load_a,load_c\n90,90\n"}
IN_TABLES = {"p.csv: row 1 (line 2), column 'load_b': 'x' is not a number"}


def test_a_wrong_cell_of_active_power_hides_nothing_in_the_table_of_reactive_power(tmp_path: Path) -> None:
    found = folder_with(tmp_path, PROFILE, **WRONG)
    assert set(found) == IN_TABLES | {
        "q.csv: column 'load_c': no load of that name in the network; did you mean 'load_b'?"
    }


def test_a_mistake_in_profile_toml_hides_no_wrong_cell(tmp_path: Path) -> None:
    found = folder_with(tmp_path, PROFILE.replace("900", "0"), **WRONG)
    assert set(found) == IN_TABLES | {"profile.toml: step_s: 0 is out of range; must be > 0.0"}


def test_a_mistake_in_the_base_of_an_overlay_hides_none_in_the_overlay(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "profile.toml").write_text(PROFILE)
    (base / "p.csv").write_text(WRONG["p"])
    (base / "q.csv").write_text("load_a,load_b\n90,90\n")
    toml = 'title = "t"\nbase = "./base"\nreplace = [{ quantity = "p", file = "r.csv", unit = "W" }]\n'
    found = folder_with(tmp_path, toml, r="load_b\ny\n")
    assert found == [
        "base/p.csv: row 1 (line 2), column 'load_b': 'x' is not a number",
        "r.csv: row 1 (line 2), column 'load_b': 'y' is not a number",
    ]


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("bad_separator.csv", "separated by ';' or tabs"),
        ("bad_header.csv", "column 'load_a': appears 2 times"),
        ("bad_header.csv", "column 4: has no name"),
        ("header_only.csv", "no rows of values"),
        ("absent.csv", "no such file; searched: "),
        ("SOURCE.md", "suffix '.md' is not known; .csv or .parquet"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_words(file: str, says: str) -> None:
    assert says in "\n".join(problems(p_file=file))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").touch()
    assert "p.csv: the file is empty; a header line" in problems(p_file=str(tmp_path / "p.csv"))[0]


def test_tables_without_time_need_start_and_step_and_those_with_time_must_not_state_them(
    tmp_path: Path,
) -> None:
    assert "has a time column although" in problems(start=START, step_s=900)[0]
    (tmp_path / "p.csv").write_text("load_a\n1\n")
    settings = user_tables(p_file="p.csv", q_file=None, q_unit=None, power_factor=1.0)
    with pytest.raises(UserInputError, match="no time column, and the"):
        read_profile(settings, ["load_a"], folder=tmp_path)


def test_active_and_reactive_tables_must_have_the_same_rows(tmp_path: Path) -> None:
    text = (TABLES / "good_q_var.csv").read_text()
    (tmp_path / "short.csv").write_text(text.rsplit("\n", 2)[0] + "\n")
    (tmp_path / "late.csv").write_text(text.replace("+01:00", "+02:00"))
    for name, says in (("short.csv", "5 rows, but"), ("late.csv", "row 1, column 'time'")):
        assert says in problems(q_file=str(tmp_path / name))[0]


def test_wrong_cells_of_a_parquet_file_are_named(tmp_path: Path) -> None:
    table = pa.table({"load_a": [1.0, None, 3.0], "load_b": [1, 2, None], "load_c": [1.0, 2.0, float("inf")]})
    pq.write_table(table, tmp_path / "p.parquet")
    found = problems(p_file=str(tmp_path / "p.parquet"), start=START, step_s=900)
    places = [p.split(": ")[1] for p in found if "finite" in p]
    assert places == ["row 2, column 'load_a'", "row 3, column 'load_b'", "row 3, column 'load_c'"]
    pq.write_table(pa.table({"load_a": ["1", "2"]}), tmp_path / "p.parquet")
    assert (
        "column 'load_a': holds string; numbers are needed" in problems(p_file=str(tmp_path / "p.parquet"))[0]
    )
    (tmp_path / "p.parquet").write_text("load_a\n1\n")
    assert "not a Parquet file" in problems(p_file=str(tmp_path / "p.parquet"))[0]


def test_a_long_list_of_wrong_cells_is_cut_short_and_counted(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("load_a,load_b,load_c\n" + "1,x,y\n" * 100)
    found = problems(
        p_file=str(tmp_path / "p.csv"),
        q_file=None,
        q_unit=None,
        power_factor=0.9,
        start=START,
        step_s=900,
    )
    assert len(found) == 51
    assert "200 cells are wrong; the first 50 are listed" in found[0]
    assert "row 9 (line 10)" in found[17] and "row 10 (line 11)" in found[19]


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"p_unit": "MW"}, "Input should be 'W' or 'kW'"),
        ({"p_unit": None}, "p_unit is missing"),
        ({"q_file": None}, "exactly one of q_file and power_factor"),
        ({"start": START}, "start and step_s belong together"),
        ({"start": START, "step_s": -900}, "greater than 0"),
        ({"name": "iowa240_2017"}, "exclude each other"),
        ({"file": "x.csv"}, "file excludes p_file"),
    ],
)
def test_contradicting_profile_tables_are_refused(keys: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        user_tables(**keys)


def test_an_unknown_profile_name_says_where_it_was_looked_for() -> None:
    with pytest.raises(UserInputError) as caught:
        read_profile("iowa240_2071")
    assert "did you mean 'iowa240_2017'?" in str(caught.value)
    assert str(config_dir() / "profiles" / "iowa240_2071") in str(caught.value)


def test_a_lone_table_is_not_a_profile_because_it_states_no_units() -> None:
    with pytest.raises(UserInputError, match="states no units"):
        read_profile(str(TABLES / "good_p_kw.csv"))


# ---------------------------------------------------------------- coverage and look-up


def test_a_run_within_the_profile_is_accepted_to_its_last_moment() -> None:
    profile = made_up(24, 3600)
    check_coverage(profile, profile.start_utc_ns, 86_400.0)
    with pytest.raises(UserInputError, match="but the run goes from"):
        check_coverage(profile, profile.start_utc_ns, 86_400.001)


def test_a_run_that_begins_before_the_profile_is_refused() -> None:
    profile = made_up(24, 3600)
    with pytest.raises(UserInputError, match="but the run starts at"):
        check_coverage(profile, profile.start_utc_ns - 1_000_000_000, 10.0)


def test_an_open_run_on_a_short_profile_is_refused_unless_it_repeats() -> None:
    profile = made_up(24, 3600)
    with pytest.raises(UserInputError, match="the run has no end"):
        check_coverage(profile, profile.start_utc_ns, None)
    check_coverage(profile, profile.start_utc_ns, None, repeat=True)


@pytest.mark.parametrize(("hours", "covers"), [(8759, False), (8760, True), (8784, True), (8761, False)])
def test_only_a_full_year_starts_over_by_itself(hours: int, covers: bool) -> None:
    profile = made_up(hours, 3600)
    assert profile.is_full_year is covers
    if covers:
        check_coverage(profile, profile.start_utc_ns, None)
    else:
        with pytest.raises(UserInputError):
            check_coverage(profile, profile.start_utc_ns, None)


def test_the_station_can_make_a_short_profile_wrap() -> None:
    assert read(repeat=True).wraps


def test_a_value_is_valid_at_the_start_of_its_interval() -> None:
    profile = made_up(24, 3600)
    assert interval_at(profile, profile.start_utc_ns) == (0, 1, 0.0)
    assert interval_at(profile, profile.start_utc_ns + 5 * HOUR_NS + HOUR_NS // 4) == (5, 6, 0.25)


def test_the_last_value_holds_to_the_end_of_a_profile_that_does_not_wrap() -> None:
    profile = made_up(24, 3600)
    assert interval_at(profile, profile.end_utc_ns - HOUR_NS // 2) == (23, 23, 0.5)


def test_the_year_wraps_at_its_end_and_before_its_start(year: Profile) -> None:
    assert interval_at(year, year.end_utc_ns - HOUR_NS // 2) == (8759, 0, 0.5)
    assert interval_at(year, year.end_utc_ns) == (0, 1, 0.0)
    assert interval_at(year, year.start_utc_ns - HOUR_NS // 4) == (8759, 0, 0.75)


def test_noon_of_12_july_is_row_4620_the_peak_hour(year: Profile) -> None:
    noon_utc_ns = 1_499_882_400 * 10**9  # 2017-07-12T18:00:00Z
    assert interval_at(year, noon_utc_ns) == (4620, 4621, 0.0)
    assert year.p_w.sum(axis=1).argmax() == 4620
