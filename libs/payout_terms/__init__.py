"""The terms of a payout, which all services speak of alike: as values, as messages, and as columns."""
