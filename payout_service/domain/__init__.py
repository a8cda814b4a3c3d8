"""The rules for payouts, in plain Python: no framework, no network, no clock."""
