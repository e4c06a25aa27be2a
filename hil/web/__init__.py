"""The console in a browser: one terminal per browser, behind a token (``gridhil web``)."""
