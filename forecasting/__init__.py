"""Load forecasts, scored live."""
