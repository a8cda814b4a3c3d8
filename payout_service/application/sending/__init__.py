"""Signs and sends all transactions: nonces, signatures, broadcasts, receipts, finality. Nothing else sends any."""
