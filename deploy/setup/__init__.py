"""Sets up a fresh clone. Runs on the system's Python, with the standard library only."""
