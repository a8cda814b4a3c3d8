"""Tests: integration/chain_sync_service."""
