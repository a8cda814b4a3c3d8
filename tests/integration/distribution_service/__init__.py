"""Tests: integration/distribution_service."""
