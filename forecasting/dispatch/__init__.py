"""The dispatcher: plans battery power, taps and curtailment a day ahead from forecasts, again and again."""
