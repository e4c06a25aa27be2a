"""Converters from other tools' network formats to ours."""
