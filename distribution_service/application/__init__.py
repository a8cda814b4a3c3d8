"""Use cases: one file for each that changes something, the reads together, and the ports that they need."""
