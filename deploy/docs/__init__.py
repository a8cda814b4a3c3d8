"""Generates the parts of docs/ that repeat what the code says."""
