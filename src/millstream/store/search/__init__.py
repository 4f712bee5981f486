"""Search: five grammars, one typed tree, SQL with bound parameters.

`search_runs` and its siblings take a `Session` and give keys of rows in order; loading the rows is the caller's part.
The modules, in the order in which a filter goes through them: `lexer`, `grammar` (tables of fields), `parser`, `tree`,
`lower` (to what a database is asked), `conditions` and `sorting` (to SQL), then `run_query` and `runs`, or `areas`.
"""

from millstream.store.search.areas import (
    search_experiments,
    search_logged_models,
    search_model_versions,
    search_registered_models,
)
from millstream.store.search.matches import Matches
from millstream.store.search.runs import search_runs

__all__ = [
    "Matches",
    "search_experiments",
    "search_logged_models",
    "search_model_versions",
    "search_registered_models",
    "search_runs",
]
