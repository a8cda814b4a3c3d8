"""Tests: integration/libs."""
