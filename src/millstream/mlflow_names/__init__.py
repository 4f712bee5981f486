"""Modules of MLflow's that hold names only, for code that imports them (see `millstream.alias`)."""
