"""Tests: unit/evm."""
