"""Tests: unit/chain_sync_service."""
