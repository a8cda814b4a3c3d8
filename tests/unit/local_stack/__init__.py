"""Tests: unit/local_stack."""
