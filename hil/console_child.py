"""The console in the terminal of ``gridhil run --console``: a process of its own, watched by the supervisor.

Whatever it does, the supervisor goes on. Once it has been left, the question what becomes of the station is
asked without waiting for the answer.
"""

from __future__ import annotations

import contextlib
import select
import subprocess
import sys

from rich.console import Console

from rtcore.errors import HostError

END_S = 1.0
"""How long a console that is told to leave may take [s]."""


def require_terminal() -> None:
    """Refuse a console where there is no terminal.

    Raises
    ------
    HostError
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise HostError(
            "--console needs a terminal; without one: gridhil run, then gridhil console elsewhere"
        )


class ConsoleChild:
    """One console.

    Parameters
    ----------
    url : str
        Of the station that has just been started.
    console : Console
        Says nothing while the other one has the terminal.
    """

    def __init__(self, url: str, console: Console) -> None:
        self._url, self._console = url, console
        self._is_asked = self._goes_on = False
        console.quiet = True
        self._process = subprocess.Popen([sys.executable, "-P", "-m", "hil", "console", url])

    def wants_end(self) -> bool:
        """Tell whether the station is to stop; asked over and over, never waits."""
        if self._goes_on or self._process.poll() is None:
            return False
        if not self._is_asked:
            self._is_asked = True
            self._console.quiet = False
            self._console.print(
                "The console was left. Stop the station, too? [Y/n] ", end="", highlight=False
            )
        if not select.select([sys.stdin], [], [], 0.0)[0]:
            return False
        if sys.stdin.readline().strip().lower() in ("n", "no"):
            self._goes_on = True
            self._console.print(
                f"The station goes on; Ctrl-C stops it. Again to it: gridhil console {self._url}",
                highlight=False, soft_wrap=True,
            )  # fmt: skip
            return False
        return True

    def end(self) -> None:
        """End it, if it still runs, and have the terminal back."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._console.quiet = False
