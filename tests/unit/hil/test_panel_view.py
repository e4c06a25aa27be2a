"""The status panel on terminals of several sizes."""

from __future__ import annotations

import dataclasses as dc
import io

import pytest
from rich.console import Console

from hil.panel_view import Shown, render

SHOWN = Shown(
    title="gridhil iowa240   2017-07-12T12:00:02   step 2023",
    contract="best effort (no SCHED_FIFO: lateness of several ms is to be expected)",
    silence="",
    loop=(
        [
            "late p50 [us]",
            "late p99 [us]",
            "late p99.9 [us]",
            "late max [us]",
            "exec p50 [us]",
            "exec p99 [us]",
            "overruns",
            "slipped [ms]",
        ],
        ["48.0", "1234.5", "12345.6", "123456.7", "120.0", "184.0", "1234", "1234"],
    ),
    feeders=(
        ["", "P [kW]", "Q [kvar]", "IA [A]", "IB [A]", "IC [A]", "VA [V]", "VB [V]", "VC [V]"],
        [["SUB.T1", "3572.4", "1027.8", "160.1", "155.2", "140.3", "7967", "7968", "7969"]]
        + [
            [f"FDR_{k}.HEAD", "1234.5", "456.7", "60.1", "55.2", "40.3", "7967", "7968", "7969"]
            for k in "ABC"
        ],
    ),
    servers=(
        ["", "clients", "requests", "commands", "refused", "errors"],
        [["modbus", "71", "123456", "17", "3", "0"], ["opcua", "82", "2345", "5", "1", "0"]],
    ),
    lists=(
        [f"modbus 127.0.0.1:50{k}: FDR_B.CB_201.TRIP=1 -> DONE {'and a long tail ' * 5}" for k in range(4)],
        [f"opcua: event {k} {'of many words ' * 9}" for k in range(4)],
        [
            f"overrun at step {k}: woken late, 3.74 ms late, took 83 us, with 2 commands and more"
            for k in range(4)
        ],
    ),
)


def lines(shown: Shown, width: int, height: int) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=False)
    console.print(render(shown, width, height))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("size", [(80, 24), (80, 50), (120, 24), (99, 40), (100, 40), (120, 40), (200, 60)])
def test_clients_and_last_commands_are_seen_at_every_size(size: tuple[int, int]) -> None:
    shown = lines(SHOWN, *size)
    assert len(shown) < size[1], "the terminal would cut the end off"
    assert max(map(len, shown)) <= size[0]
    text = "\n".join(shown)
    for word in ("71", "82", "FDR_A.HEAD", "1234.5", "SUB.T1", "best effort", "step 2023", "184.0"):
        assert word in text, word
    # the newest of every list at least
    assert "127.0.0.1:503: FDR_B.CB_201.TRIP=1" in text
    assert "opcua: event 3" in text
    assert "overrun at step 3" in text


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_servers_and_commands_come_before_events_and_overruns(size: tuple[int, int]) -> None:
    text = "\n".join(lines(SHOWN, *size))
    places = [text.index(w) for w in ("requests", "last commands:", "events:", "overruns:")]
    assert places == sorted(places)


def test_only_a_roomy_terminal_gets_borders() -> None:
    assert "━" in "".join(lines(SHOWN, 100, 40))
    for size in ((99, 40), (100, 39), (80, 24)):
        assert "━" not in "".join(lines(SHOWN, *size))


def test_a_tiny_terminal_is_survived() -> None:
    assert len(lines(SHOWN, 20, 5)) >= 4


def test_silence_takes_the_place_of_the_contract() -> None:
    for size in ((80, 24), (120, 40)):
        text = "\n".join(lines(dc.replace(SHOWN, silence="core silent for 4 s"), *size))
        assert "core silent for 4 s" in text
        assert "best effort" not in text


def test_every_loop_figure_has_a_head_of_its_own() -> None:
    from hil.panel import LOOP_FIGURES

    heads = [head for head, _, _ in LOOP_FIGURES]
    assert len({" ".join(h.split()) for h in heads}) == len(heads)
    assert not any("  " in h for h in heads)


def test_empty_lists_are_said_to_be_empty() -> None:
    text = "\n".join(lines(dc.replace(SHOWN, lists=([], [], [])), 80, 24))
    assert "last commands: none" in text


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_a_disk_that_is_full_is_seen_before_the_folder_is_cut_off(size: tuple[int, int]) -> None:
    records = f"records  disk full  12 events, 1 disturbances  in /{'a-long-folder/' * 20}"
    found = lines(dc.replace(SHOWN, device="device serving", records=records), *size)
    assert len(found) < size[1]
    (line,) = [x for x in found if x.startswith("records  disk full  12 events")]
    assert len(line) <= size[0]
