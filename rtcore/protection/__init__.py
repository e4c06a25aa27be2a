"""Protection functions, one file per ANSI function."""
