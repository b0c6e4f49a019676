"""The methods of a storage, by topic."""
