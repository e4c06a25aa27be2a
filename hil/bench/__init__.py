"""Benchmarks: our own figures beside a peer's, in the same run."""
