"""Determines who is owed what: conditions, snapshot, plan, preview."""
