"""Run and state directories: ownership, pruning after a kill, nothing left behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hil import run_dir
from rtcore.errors import HostError

ROOT = Path(__file__).resolve().parents[3]
OWNER = """
import sys, time
from pathlib import Path
from hil import run_dir
path = run_dir.make_run_dir("lab", Path(sys.argv[1]))
(path / "core.board").write_bytes(bytes(100))
print(path, flush=True)
time.sleep(60)
"""


def start_owner(root: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(root)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_run_dir_is_private_and_named_after_station_and_process(tmp_path: Path) -> None:
    path = run_dir.make_run_dir("iowa240", tmp_path)
    assert path == tmp_path / f"gridhil-{os.getuid()}" / f"iowa240-{os.getpid()}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    run_dir.remove_run_dir(path)


def test_removal_leaves_nothing_in_shared_memory(tmp_path: Path) -> None:
    path = run_dir.make_run_dir("iowa240", tmp_path)
    (path / "core.board").write_bytes(bytes(1000))
    run_dir.remove_run_dir(path)
    assert list(tmp_path.iterdir()) == []
    run_dir.remove_run_dir(path)  # again: no complaint


def test_removal_spares_the_other_station(tmp_path: Path) -> None:
    one = run_dir.make_run_dir("one", tmp_path)
    two = run_dir.make_run_dir("two", tmp_path)
    run_dir.remove_run_dir(one)
    assert not one.exists()
    assert two.exists()
    run_dir.remove_run_dir(two)


def test_directory_of_a_killed_owner_is_pruned_at_the_next_start(tmp_path: Path) -> None:
    process, left = start_owner(tmp_path)
    end(process)
    assert (left / "core.board").exists()
    mine = run_dir.make_run_dir("other", tmp_path)
    assert not left.exists()
    run_dir.remove_run_dir(mine)


def test_directory_of_a_living_owner_is_never_pruned(tmp_path: Path) -> None:
    process, theirs = start_owner(tmp_path)
    try:
        mine = run_dir.make_run_dir("other", tmp_path)
        assert (theirs / "core.board").exists()
        assert run_dir.live_run_dirs(tmp_path) == sorted([mine, theirs])
        run_dir.remove_run_dir(mine)
    finally:
        end(process)
    assert run_dir.live_run_dirs(tmp_path) == []


def test_lock_is_not_inherited_by_children(tmp_path: Path) -> None:
    """Else a child that outlives its killed station would keep the directory alive."""
    code = OWNER.replace(
        "print(path",
        "import subprocess\nchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
        " close_fds=False)\nprint(child.pid, file=sys.stderr, flush=True)\nprint(path",
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    child = int(process.stderr.readline())
    left = Path(process.stdout.readline().strip())
    process.kill()
    process.wait()
    try:
        mine = run_dir.make_run_dir("other", tmp_path)
        assert not left.exists()
        run_dir.remove_run_dir(mine)
    finally:
        os.kill(child, 9)
        process.stdout.close()
        process.stderr.close()


def test_parent_that_is_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"gridhil-{os.getuid()}").symlink_to(elsewhere)
    with pytest.raises(HostError, match="cannot make the run directory"):
        run_dir.make_run_dir("lab", tmp_path)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_parent_of_another_user_is_refused(tmp_path: Path) -> None:
    parent = tmp_path / f"gridhil-{os.getuid()}"
    parent.mkdir()
    os.chown(parent, 12345, 12345)
    with pytest.raises(HostError, match="belongs to another user"):
        run_dir.make_run_dir("lab", tmp_path)


def test_station_name_cannot_leave_the_directory(tmp_path: Path) -> None:
    path = run_dir.make_run_dir("../../etc/x y", tmp_path)
    assert path.parent == tmp_path / f"gridhil-{os.getuid()}"
    run_dir.remove_run_dir(path)


def test_missing_shared_memory_is_a_host_error(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot make the run directory: No such file"):
        run_dir.make_run_dir("lab", tmp_path / "absent")


def test_state_dir_follows_xdg_and_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = run_dir.state_dir("iowa240")
    assert path == tmp_path / "state" / "gridhil" / "iowa240"
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.mark.parametrize("given", ["", "relative/path"])
def test_state_dir_defaults_to_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", given)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run_dir.state_dir("lab") == tmp_path / ".local" / "state" / "gridhil" / "lab"


def test_state_dir_that_cannot_be_made_is_a_host_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(HostError, match="set XDG_STATE_HOME"):
        run_dir.state_dir("lab")


def test_cache_root_follows_its_own_variable_and_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert run_dir.cache_root() == tmp_path / "cache" / "gridhil"
    assert stat.S_IMODE(run_dir.cache_root().stat().st_mode) == 0o700
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run_dir.cache_root() == tmp_path / ".cache" / "gridhil"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(HostError, match=r"cache directory.*set XDG_CACHE_HOME"):
        run_dir.cache_root()
