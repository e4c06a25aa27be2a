"""The operator's console: a client of a running station, on any terminal."""
