"""A stand-in for a Hedera mirror node that serves an EVM node's blocks."""
