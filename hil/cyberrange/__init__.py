"""The range: attacks x detectors x seeds on the plant, headless and in parallel."""
