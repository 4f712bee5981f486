"""Bring what an MLflow installation recorded into Millstream: `millstream import`.

A *source* reads an `mlruns` folder, a database or a running server and yields entities; the *target* writes them into a
store with ids, times, stages of life and artifact locations kept. Artifacts stay where they are.
"""

from millstream.migrate.report import Counts, Report
from millstream.migrate.run import import_into, open_source
from millstream.migrate.source import Source, SourceModel, SourceRun

__all__ = ["Counts", "Report", "Source", "SourceModel", "SourceRun", "import_into", "open_source"]
