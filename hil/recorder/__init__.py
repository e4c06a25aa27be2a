"""What goes to disk: journals, events, trends."""
