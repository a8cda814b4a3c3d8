"""Accounts for transactions that were signed with our keys but are not in the journal."""
