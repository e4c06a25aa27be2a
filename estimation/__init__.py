"""State estimation from telemetry."""
