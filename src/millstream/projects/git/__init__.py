"""Projects in git: a checkout of its own for each run, and what a folder's work tree says.

The git that is installed does the work, with the user's own credentials, and is never asked to do what a repository wants it to
do: hooks, file-system monitors, filters and differs of a repository's own settings are off, and so is every transport but https,
http, ssh, git and, for what is on this machine, files. Nothing here writes to a work tree of the user's.
"""

from millstream.projects.git.checkout import Checkout, check_out_local
from millstream.projects.git.inspection import WorkTree, diff, is_bare, work_tree
from millstream.projects.git.remote import check_out_remote

__all__ = ["Checkout", "WorkTree", "check_out_local", "check_out_remote", "diff", "is_bare", "work_tree"]
