"""Physical things, one file each."""
