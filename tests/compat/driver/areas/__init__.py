"""One module per area of the REST API; each function drives one area through a `Script`."""
