"""Files and the rows that refer to them: what a crash leaves of one without the other is found, and settled."""
