"""``gridhil forecast``: what forecasts are worth, and models of a site's own.

As in ``hil.cli``, heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

import typer

from hil import cli_forecast_backtest, cli_forecast_train


def add_to(app: typer.Typer) -> None:
    """Add the group to the program, with its commands in the order of its help."""
    group = typer.Typer(help="Load forecasts: how good they are, and models of a site's own.")
    group.callback(no_args_is_help=True)(_group)
    cli_forecast_backtest.add_to(group)
    cli_forecast_train.add_to(group)
    app.add_typer(group, name="forecast")


def _group() -> None:
    """Load forecasts: how good they are, and models of a site's own."""
