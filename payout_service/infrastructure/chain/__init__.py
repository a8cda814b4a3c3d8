"""The EVM chain, its contracts and the signing keys behind the ports."""
