"""Implements the ports of chain_sync_service: PostgreSQL, the EVM node, the Hedera mirror node."""
