"""Distributions, their states and what changes them. Imports nothing but the standard library."""
