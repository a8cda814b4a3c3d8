"""Tests: unit/payout_service."""
