"""Automatic controls, one file each."""
