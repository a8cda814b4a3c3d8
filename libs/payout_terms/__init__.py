"""The terms of a payout as values, as messages and as columns, for all services."""
