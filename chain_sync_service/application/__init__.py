"""Use cases and the ports they need. Standard library and pure parts of libs only."""
