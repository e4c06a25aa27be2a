"""Relay tests: plans, shots, measured times with their uncertainty, verdicts, reports."""
