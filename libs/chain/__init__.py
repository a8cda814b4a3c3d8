"""Pure types of the chain: addresses, Hedera ids, amounts. They need no service, network or framework."""
