"""``python -m hil`` is the console script; refuses to start on shadowed packages."""

from hil import stop_signals

stop_signals.take()

import importlib.util  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]

for name in ("rtcore", "protocols", "estimation", "forecasting"):
    spec = importlib.util.find_spec(name)
    found = Path(spec.origin).resolve() if spec and spec.origin else None
    if found is None or ROOT not in found.parents:
        sys.exit(
            f"hil: package {name!r} resolves to {found}, outside this installation ({ROOT}).\n"
            "Another file of that name comes first on sys.path. Use the installed command, "
            "'python -P -m hil', or another working directory."
        )

from hil.entry import main  # noqa: E402

main()
