"""The sequence of events as a console holds it."""

from __future__ import annotations

from hil.view.events import PAGE, EventLog, EventRow, event_rows, next_match


def row(seq: int, tag: str = "F.CB.ST_52A", kind: str = "status", text: str = "") -> EventRow:
    return EventRow(seq, seq * 10**9, seq, kind, tag, text or f"event {seq}", "")


def rows(first: int, last: int) -> list[EventRow]:
    return [row(seq) for seq in range(first, last + 1)]


def seqs(log: EventLog, wanted: str = "") -> list[int]:
    return [r.seq for r in log.shown(wanted)]


def test_the_newest_stands_first_and_none_comes_twice() -> None:
    log = EventLog()
    log.take_new(12, rows(10, 12))
    assert log.take_new(13, rows(11, 13)) == 1
    assert seqs(log) == [13, 12, 11, 10]
    assert log.last == 13


def test_earlier_pages_are_put_behind() -> None:
    log = EventLog()
    log.take_new(1000, rows(998, 1000))
    assert log.before == 997 - PAGE
    assert log.take_old(rows(990, 999)) == 8
    assert seqs(log) == list(range(1000, 989, -1))


def test_there_is_nothing_before_the_first_event() -> None:
    log = EventLog()
    assert log.before is None
    log.take_new(3, rows(1, 3))
    assert log.before is None


def test_a_run_without_events_yet_is_followed_from_its_beginning() -> None:
    log = EventLog()
    log.take_new(0, [])
    assert log.last == 0
    assert log.take_new(2, rows(1, 2)) == 2


def test_a_filter_wants_every_word_and_refuses_those_with_a_minus() -> None:
    log = EventLog()
    log.take_new(
        3, [row(1), row(2, "F.CB.TRIP", "command", "1: done"), row(3, "G.CB.TRIP", "command", "1: refused")]
    )
    assert seqs(log, "COMMAND") == [3, 2]
    assert seqs(log, "command f.cb") == [2]
    assert seqs(log, "command -done") == [3]
    assert seqs(log, "no such thing") == []


def test_search_goes_around() -> None:
    found = [row(3, text="open"), row(2, text="close"), row(1, text="OPEN")]
    assert next_match(found, "open", 0) == 2
    assert next_match(found, "open", 2) == 0
    assert next_match(found, "trip", 0) is None
    assert next_match([], "trip", 0) is None


def test_rows_of_the_station_are_read_with_what_they_lack() -> None:
    (found,) = event_rows([{"seq": 7, "utc_ns": 1_500_000_000, "kind": "overrun", "tag": None, "old": 1.0}])
    assert (found.seq, found.tag, found.text, found.old, found.new) == (7, "", "", 1.0, None)
    assert found.cells()[1] == "1970-01-01T00:00:01.500+00:00"
