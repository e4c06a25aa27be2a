"""Dialogs: operate, set, log in, acknowledge, arm."""
