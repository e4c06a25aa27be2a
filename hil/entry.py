"""Entry point of the ``gridhil`` command: signals are taken before anything heavy is imported."""

from __future__ import annotations

from hil import stop_signals


def main() -> None:
    """Run the command line."""
    stop_signals.take()
    from hil.cli import main as run_command_line

    run_command_line()
