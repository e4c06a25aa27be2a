"""The rig: the only package that reads files, starts processes and talks to people."""
