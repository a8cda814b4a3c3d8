"""The contracts of the embedded chain: compiles them, deploys them, and fills them with holders and money."""
