"""A gateway's view of the users file: a changed one is in force within a second, without a restart.

A file that cannot be used leaves those in force who were, and says so: a slip of the editor must
not lock the operators out of a running plant, nor let anybody in.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hil.users import read_users, users_path
from protocols.accounts import Accounts
from rtcore.errors import GridhilError

Signature = tuple[int, int, int, int] | None


class UsersWatch:
    """Reads the users file at once (what is wrong with it then is raised) and again when it changes."""

    def __init__(self, state_dir: Path, say: Callable[[str], None]) -> None:
        self._state_dir = state_dir
        self._say = say
        self._seen = _signature(users_path(state_dir))  # before reading: a change in between shows
        self.accounts = Accounts(read_users(state_dir))

    def look(self) -> bool:
        """Look whether the file has changed; tell whether others are in force now. Costs one stat."""
        now = _signature(users_path(self._state_dir))
        if now == self._seen:
            return False
        self._seen = now
        try:
            users = read_users(self._state_dir)
        except GridhilError as error:
            for line in str(error).splitlines():
                self._say(line)
            self._say("the users of before stay in force")
            return False
        if users == self.accounts.users:
            return False
        self.accounts.replace(users)
        listed = ", ".join(f"{name} ({a.role})" for name, a in users.items())
        self._say(f"users in force: {listed or 'none'}")
        return True

    def record(self) -> dict[str, object]:
        """Return who is in force, for the audit journal."""
        rows = {
            name: {"role": a.role, "modbus": [str(n) for n in a.networks]}
            for name, a in self.accounts.users.items()
        }
        return {"result": "USERS_CHANGED", "users": rows}


def _signature(path: Path) -> Signature:
    """Return what differs when a file was replaced, edited, or opened to others; None for no file."""
    try:
        s = path.stat()
    except OSError:
        return None
    return s.st_ino, s.st_mtime_ns, s.st_ctime_ns, s.st_size
