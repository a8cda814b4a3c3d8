"""The use cases of payout_service, and the ports that they need."""
