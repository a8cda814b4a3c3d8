"""The service that pays: takes snapshots, freezes plans, signs and sends batches, and proves each payment.

The only service that holds keys and the only one that writes to the chain.
"""
