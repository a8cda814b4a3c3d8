"""The payout engine over chain, database and clock in memory, under faults from a seed (docs: `make simulate`)."""
