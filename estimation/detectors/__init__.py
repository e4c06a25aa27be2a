"""Detectors of false data beyond the residual test: statistic, alarm, calibration. Pure; one file each."""
