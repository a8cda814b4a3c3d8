"""Compares plan, ledger and chain, and names what differs."""
