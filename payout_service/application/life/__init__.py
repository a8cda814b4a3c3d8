"""Which step a payout takes in which state, and what people ask of it."""
