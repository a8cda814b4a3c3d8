"""Assets: their import, their lifecycle contract as payout_service reports it, the register of their holders."""
