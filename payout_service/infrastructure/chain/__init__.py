"""Implements the ports to the EVM chain, its contracts and the signing keys."""
