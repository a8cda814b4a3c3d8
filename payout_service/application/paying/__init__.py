"""Makes batches of payments, settles each payment by evidence, and tries again."""
