"""Reading an EVM chain: JSON-RPC, the ABI fragments we use, decoding. For payout and chain_sync service."""
