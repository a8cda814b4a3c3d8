"""The only way to the chain: nonces, signatures, broadcasts, receipts, finality."""
