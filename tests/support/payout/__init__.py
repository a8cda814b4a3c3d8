"""The ports of payout_service in memory: a database with locks, a chain that misbehaves, and an engine."""
