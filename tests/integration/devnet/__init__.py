"""Tests: integration/devnet."""
