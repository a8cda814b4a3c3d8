"""The embedded chain's own contracts, their compiler run and the helpers that deploy and fill them."""
