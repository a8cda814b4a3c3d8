"""A stand-in for a Hedera mirror node, on an EVM node's blocks."""
