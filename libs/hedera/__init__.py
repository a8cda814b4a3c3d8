"""Hedera's public services."""
