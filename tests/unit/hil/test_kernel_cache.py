"""The kernel cache: one directory per state of the sources, safe where nothing can be written."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hil import kernel_cache as kc

ROOT = Path(__file__).resolve().parents[3]


def call(code: str, cache: Path, **extra: str) -> list[str]:
    """Run code in a fresh interpreter (numba not imported) and return what it printed."""
    env = {k: v for k, v in os.environ.items() if k not in {"NUMBA_CACHE_DIR", kc.READY}}
    state = cache.with_name(f"{cache.name}-state")
    env |= {"XDG_CACHE_HOME": str(cache), "XDG_STATE_HOME": str(state)} | extra
    done = subprocess.run(
        [sys.executable, "-c", "from hil import kernel_cache as kc; import os, sys\n" + code],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not state.exists(), "compiled code can be made again and is no state"
    return done.stdout.split("\n")[:-1]


def make_sources(root: Path) -> None:
    for name in ("a", "b"):
        path = root / "rtcore" / "network" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"x = '{name}'\n")


def test_digest_changes_with_every_kernel_file_and_not_with_time(tmp_path: Path) -> None:
    make_sources(tmp_path)
    before = kc.digest(tmp_path)
    os.utime(tmp_path / "rtcore" / "network" / "a.py", (1, 1))
    assert kc.digest(tmp_path) == before
    (tmp_path / "rtcore" / "network" / "b.py").write_text("x = 'c'\n")
    changed = kc.digest(tmp_path)
    assert changed != before
    (tmp_path / "rtcore" / "network" / "b.py").rename(tmp_path / "rtcore" / "network" / "d.py")
    assert kc.digest(tmp_path) not in {before, changed}


def test_prepare_sets_the_directory_before_numba_and_does_not_import_it(tmp_path: Path) -> None:
    out = call(
        "c = kc.prepare(); print(os.environ['NUMBA_CACHE_DIR'], c.is_warm, 'numba' in sys.modules)", tmp_path
    )
    path, is_warm, has_numba = out[0].split()
    assert Path(path).parent == tmp_path / "gridhil" / "numba"
    assert Path(path).name.endswith(kc.digest())
    assert (is_warm, has_numba) == ("False", "False")


def test_compiled_kernels_land_there_and_the_second_start_is_warm(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel.py"
    kernel.write_text("from numba import njit\n@njit(cache=True)\ndef f(x):\n    return x + 1\n")
    code = (
        f"c = kc.prepare(); sys.path.insert(0, {str(tmp_path)!r}); import kernel\n"
        "kernel.f(1.0); kc.mark_complete(12.34); hits = sum(kernel.f.stats.cache_hits.values())\n"
        "print(c.is_warm, c.expected_s, hits, len(list(c.path.rglob('*.nbc'))))"
    )
    assert call(code, tmp_path)[-1] == "False None 0 1"
    assert call(code, tmp_path)[-1] == "True 12.3 1 1"


def test_child_processes_inherit_the_decision(tmp_path: Path) -> None:
    out = call(
        "c = kc.prepare(); print(c)",
        tmp_path / "other",
        NUMBA_CACHE_DIR=str(tmp_path / "given"),
        **{kc.READY: "1"},
    )
    assert str(tmp_path / "given") in out[0]
    assert not (tmp_path / "other").exists()


def test_directory_set_by_someone_else_is_not_trusted(tmp_path: Path) -> None:
    """A fixed cache directory would keep old physics after a change in a called file."""
    out = call("print(kc.prepare().path)", tmp_path, NUMBA_CACHE_DIR="/somewhere/else")
    assert Path(out[0]).parent == tmp_path / "gridhil" / "numba"


def test_unwritable_cache_falls_back_to_a_private_directory_that_goes_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = call(
        "c = kc.prepare(print); print(c.is_kept, oct(c.path.stat().st_mode & 0o777)); print(c.path)",
        tmp_path / "file",
    )
    assert "compiled again at every start" in out[0]
    assert out[-2] == "False 0o700"
    assert not Path(out[-1]).exists()


def test_old_digests_are_pruned_but_the_latest_stay(tmp_path: Path) -> None:
    home = tmp_path / "gridhil" / "numba"
    now = time.time()
    for age_h in range(2, 8):
        path = home / f"0.0.1-{age_h}"
        path.mkdir(parents=True)
        os.utime(path, (now - age_h * 3600,) * 2)
    (home / "0.0.1-fresh").mkdir()
    call("kc.prepare()", tmp_path)
    left = {p.name for p in home.iterdir()}
    assert len(left) == kc.KEPT
    assert {"0.0.1-fresh", "0.0.1-2"} < left


def test_prepare_after_numba_is_a_programmer_error(tmp_path: Path) -> None:
    code = "import numba\ntry: kc.prepare()\nexcept AssertionError as e: print('refused:', e)"
    assert call(code, tmp_path)[0].startswith("refused: kernel_cache.prepare()")


@pytest.mark.parametrize("text", ["", "not a number"])
def test_damaged_mark_is_no_estimate(tmp_path: Path, text: str) -> None:
    mark = tmp_path / "0.1.0-abc" / kc.MARK
    mark.parent.mkdir()
    mark.write_text(text)
    assert kc._expected_s(tmp_path) is None


def test_two_processes_compile_one_after_the_other_and_the_second_finds_the_mark(tmp_path: Path) -> None:
    code = """
import time
kc.prepare()
with kc.compiling(kc.HEADLESS):
    print(time.monotonic(), end=" ")
    time.sleep(0.3)
    print(time.monotonic())
print(kc.has(kc.HEADLESS))
"""
    with ThreadPoolExecutor(2) as pool:
        outs = list(pool.map(lambda _k: call(code, tmp_path), range(2)))
    (_, first_end), (second_start, _) = sorted([float(x) for x in out[0].split()] for out in outs)
    assert second_start >= first_end
    assert [out[1] for out in outs] == ["True", "True"]
    assert call("kc.prepare(); print(kc.has(kc.HEADLESS), kc.has(kc.MARK))", tmp_path) == ["True False"]
