"""Tests: integration/docs."""
