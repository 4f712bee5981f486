"""Projects: training code in a folder or repository that says how it is run, run anywhere as a tracked run.

    millstream.projects.run("https://github.com/example/churn#training", "fit", parameters={"alpha": 0.5})

`sources` fetches, `spec` reads the MLproject file, `parameters` and `commands` make the command; `running` makes the run and
sees it end, `backends` are the places it may run in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream import lazy

if TYPE_CHECKING:
    from millstream.projects.background import attach as attach
    from millstream.projects.running import RunFailed as RunFailed
    from millstream.projects.running import run as run
    from millstream.projects.submission import SubmittedRun as SubmittedRun
    from millstream.projects.sweeps import sweep as sweep

__getattr__, __dir__, __all__ = lazy.names(
    __name__,
    {
        "projects.background": "attach",
        "projects.running": "RunFailed run",
        "projects.submission": "SubmittedRun",
        "projects.sweeps": "sweep",
    },
)
