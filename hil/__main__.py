"""``python -m hil`` is the console script; refuses to start on shadowed packages."""

import importlib.util
import sys
from pathlib import Path

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

from hil.cli import main  # noqa: E402

main()
