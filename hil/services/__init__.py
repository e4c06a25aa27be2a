"""What a station says of itself beside its points: model, status, alarms, events, trends, relay test."""
