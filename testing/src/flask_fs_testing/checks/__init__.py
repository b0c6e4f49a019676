"""The checks, one topic to a module: each a class of test methods that take a ``harness``."""
