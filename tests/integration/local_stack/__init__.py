"""Tests: integration/local_stack."""
