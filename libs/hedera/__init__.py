"""Clients of Hedera's public services."""
