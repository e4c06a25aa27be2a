"""What the console may know of a station: a read-only model, watched values, a way to command."""
