"""Pays: takes snapshots, freezes plans, sizes batches, signs, journals, sends, confirms, proves each payment.

The only service that holds keys and the only one that writes to the chain.
"""
