"""The published Asset Tokenization Studio contracts, version 8, on anvil: `make test-ats`, not `make test`."""
