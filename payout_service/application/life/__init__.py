"""Runs the life of a payout: which step follows in which state, and what operators can ask of it."""
