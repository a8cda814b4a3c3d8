"""Set-up from nothing: run by the system's Python, with the standard library only."""
