"""Pure types of the chain: addresses, Hedera ids, amounts. No service, no network, no framework."""
