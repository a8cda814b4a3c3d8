"""Accounts for transactions of our keys that the journal does not know."""
