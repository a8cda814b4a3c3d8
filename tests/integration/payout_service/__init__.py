"""Tests: integration/payout_service."""
