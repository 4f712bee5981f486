"""Places where projects run."""
