"""Compares plan, ledger and chain, and records each difference by name."""
