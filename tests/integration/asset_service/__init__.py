"""Tests: integration/asset_service."""
