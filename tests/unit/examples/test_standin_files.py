"""The stand-in's wiring and settings files: what is right is read, what is wrong is told all at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from examples.standin.settings import read_settings
from examples.standin.wiring import FileError, Node, Register, read_wiring

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "examples" / "standin"

GOOD = """
[modbus-client]
ia_a      = { unit = 3, table = "ir", address = 112, format = "float32", order = "CDAB", scale = 0.1 }
ib_a      = { table = "ir", address = 114, format = "float32" }
ic_a      = { table = "ir", address = 116, format = "float32" }
is_closed = { table = "di", address = 16 }
trip      = { table = "co", address = 16 }
"""


def problems(tmp_path: Path, text: str, mode: str = "modbus-client") -> list[str]:
    path = tmp_path / "wiring.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileError) as found:
        read_wiring(path, mode)
    return found.value.problems


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("cb_201.toml", "modbus-client"),
        ("cb_201.toml", "opcua-client"),
        ("test_set.toml", "modbus-client"),
        ("test_set.toml", "opcua-client"),
        ("rcl_1006.toml", "modbus-client"),
        ("rcl_1006.toml", "opcua-client"),
        ("server.toml", "modbus-server"),
        ("server.toml", "opcua-server"),
    ],
)
def test_the_wirings_that_come_with_it_are_right(name: str, mode: str) -> None:
    assert {"ia_a", "ib_a", "ic_a", "is_closed", "trip"} <= set(read_wiring(FOLDER / name, mode))


def test_a_register_keeps_every_key_and_has_defaults(tmp_path: Path) -> None:
    path = tmp_path / "wiring.toml"
    path.write_text(GOOD, encoding="utf-8")
    made = read_wiring(path, "modbus-client")
    assert made["ia_a"] == Register(3, "ir", 112, "float32", "CDAB", 0.1)
    assert made["trip"] == Register(1, "co", 16)


def test_every_problem_of_a_wiring_is_told_with_its_place(tmp_path: Path) -> None:
    bad = """
    [modbus-client]
    ia_a = { unit = 300, table = "ir", address = 112, format = "flaot32" }
    ib_a = { table = "xx", address = -1, order = "DABC", scale = 0 }
    is_clsoed = { table = "di", address = 16 }
    trip = { table = "di", address = 16, adress = 3, level = 1.5 }
    pickup = { table = "co", address = 17, level = true }
    token_in = 7
    """
    assert problems(tmp_path, bad) == [
        "[modbus-client] ic_a is missing",
        "[modbus-client] is_closed is missing",
        "[modbus-client] ia_a: unit must be a whole number from 0 to 255",
        "[modbus-client] ia_a: format 'flaot32' is unknown; did you mean 'float32'?",
        "[modbus-client] ib_a: table must be one of co, di, ir, hr",
        "[modbus-client] ib_a: address must be a whole number from 0 to 65535",
        "[modbus-client] ib_a: order must be one of ABCD, CDAB, BADC, DCBA",
        "[modbus-client] ib_a: scale must be a number other than 0",
        "[modbus-client] is_clsoed: no such signal; did you mean 'is_closed'?",
        "[modbus-client] trip: level must be true or false",
        "[modbus-client] trip: unknown key 'adress'; did you mean 'address'?",
        "[modbus-client] trip: discrete inputs cannot be written; allowed: co, hr",
        "[modbus-client] pickup: level is for trip and close that a client writes to a register or variable",
        "[modbus-client] token_in: must be a table such as { unit = ... }",
        "[modbus-client] token_in and token_out go together",
    ]


def test_two_signals_of_a_server_may_not_share_a_place_and_its_inputs_must_be_writable(
    tmp_path: Path,
) -> None:
    text = GOOD.replace("[modbus-client]", "[modbus-server]").replace("unit = 3, ", "")
    assert problems(tmp_path, text.replace("address = 114", "address = 113"), "modbus-server") == [
        *(
            f"[modbus-server] {n}: input registers cannot be written; allowed: co, hr"
            for n in ("ia_a", "ib_a")
        ),
        "[modbus-server] ic_a: input registers cannot be written; allowed: co, hr",
        "[modbus-server] is_closed: discrete inputs cannot be written; allowed: co, hr",
    ]
    text = text.replace('"ir"', '"hr"').replace('"di"', '"co"')
    assert problems(tmp_path, text.replace("address = 114", "address = 113"), "modbus-server") == [
        "[modbus-server] ib_a lies on ia_a",
        "[modbus-server] trip lies on is_closed",
    ]


def test_opc_ua_rows_are_checked_too(tmp_path: Path) -> None:
    bad = """
    [opcua-client]
    ia_a = { node = 3 }
    ib_a = { node = "ns=2;s=B", type = "Real" }
    ic_a = { method = "ns=2;s=C" }
    in_a = { node = "FDR_B.IN" }
    is_closed = { }
    trip = { object = "ns=2;s=CB", method = "ns=2;s=CB.TRIP" }
    """
    assert problems(tmp_path, bad, "opcua-client") == [
        "[opcua-client] ia_a: node must be text",
        "[opcua-client] ib_a: type must be one of Boolean, UInt16, UInt32, Float, Double",
        "[opcua-client] ic_a: a method is for trip and close at a client, goes with object, in place of node",
        "[opcua-client] in_a: node must be a node id, such as ns=2;s=FDR_B.HEAD.IA",
        "[opcua-client] is_closed: needs node, or method and object",
    ]
    good = read_wiring(FOLDER / "cb_201.toml", "opcua-client")
    assert good["trip"] == Node(object="ns=2;s=FDR_B.CB_201", method="ns=2;s=FDR_B.CB_201.TRIP")


@pytest.mark.parametrize(
    ("text", "says"),
    [("[modbus-client", "is not TOML"), ("a = 1", "has no section [modbus-client]")],
)
def test_a_file_without_the_section_or_without_sense_is_told(tmp_path: Path, text: str, says: str) -> None:
    (found,) = problems(tmp_path, text)
    assert says in found


def test_settings_come_from_the_file_and_the_command_line_has_the_last_word(tmp_path: Path) -> None:
    path = tmp_path / "relay.toml"
    path.write_text(
        "pickup_a = 300\ntms = 0.2\nopen_intervals_s = [0.5, 2]\n[ground]\npickup_a = 50\n"
        '[fast]\ncurve = "IEEE_EI"\nn_shots = 2\n',
        encoding="utf-8",
    )
    found = read_settings(path, {"tms": 0.05, "curve": None})
    assert (found.phase.pickup_a, found.phase.tms, found.phase.curve) == (300, 0.05, "IEC_SI")
    assert found.phase.shots == (2, 99)
    assert found.ground is not None
    assert (found.ground.pickup_a, found.ground.tms) == (50, 0.05)
    assert found.fast is not None
    assert (found.fast.curve, found.fast.pickup_a, found.fast.shots) == ("IEEE_EI", 300, (0, 1))
    assert found.reclosing.open_intervals_s == (0.5, 2)


def test_every_problem_of_the_settings_is_told(tmp_path: Path) -> None:
    path = tmp_path / "relay.toml"
    path.write_text(
        'pikup_a = 300\ntms = -1\ncurve = "SI"\nreset = "never"\nopen_intervals_s = [1, 2, 3, 4]\n'
        "ground = 5\n[fast]\nn_shots = 9\n",
        encoding="utf-8",
    )
    with pytest.raises(FileError) as error:
        read_settings(path, {})
    words = "\n".join(error.value.problems)
    for part in (
        *("pikup_a: no such setting; did you mean 'pickup_a'?", "tms = -1: must be a number above 0"),
        *("curve = 'SI': must be one of IEC_SI", "reset = 'never': must be one of instant, definite"),
        *("open_intervals_s = [1, 2, 3, 4]: must be a list of at most 3", "ground: must be a table [ground]"),
        "fast.n_shots = 9: must be a whole number from 1 to 3",
    ):
        assert part in words


def test_the_program_tells_wrong_input_of_both_files_without_a_traceback(tmp_path: Path) -> None:
    wiring = tmp_path / "wiring.toml"
    wiring.write_text(GOOD.replace("address = 114", "address = 99999"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "examples.standin", "modbus-client", "--wiring", str(wiring), "--tms", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "command line: tms = 0.0: must be a number above 0",
        f"{wiring}: [modbus-client] ib_a: address must be a whole number from 0 to 65535",
    ]


def test_reclosing_needs_a_close_and_ground_a_residual_current(tmp_path: Path) -> None:
    wiring, settings = tmp_path / "wiring.toml", tmp_path / "relay.toml"
    wiring.write_text(GOOD, encoding="utf-8")
    settings.write_text("open_intervals_s = [1]\n[ground]\npickup_a = 20\n", encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "examples.standin", "modbus-client"),
            *("--wiring", str(wiring), "--settings", str(settings)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"{wiring}: [modbus-client] in_a is needed by the settings",
        f"{wiring}: [modbus-client] close is needed by the settings",
    ]
