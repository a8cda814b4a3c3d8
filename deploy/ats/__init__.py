"""The published contracts of the Asset Tokenization Studio (ATS), which tests deploy on an embedded chain."""
