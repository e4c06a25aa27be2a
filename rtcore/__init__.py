"""The plant: pure and deterministic. No sockets, no files, no wall clock outside ``loop``."""
