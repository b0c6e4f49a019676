"""The verbs of a storage, by topic."""
