"""Reads an EVM chain: JSON-RPC, the ABI fragments that we use, decoding.

For payout_service and chain_sync_service.
"""
