"""payout_service's ports in memory: a database with locks, a chain that misbehaves, and an engine over both."""
