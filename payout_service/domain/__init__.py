"""What a payout is, in plain Python: no framework, no network, no clock."""
