"""The field side: what masters see on the wire. Never touches physics."""
