"""`make demo`: imports an asset and pays every holder on the embedded chain, then trusts nobody and checks."""
