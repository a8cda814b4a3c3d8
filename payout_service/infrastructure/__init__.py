"""Implements the ports of payout_service: PostgreSQL, the EVM chain, signing."""
