"""Keeps account of the money in lifecycle contracts: what is available, promised, swept."""
