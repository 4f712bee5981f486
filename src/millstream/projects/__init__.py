"""Projects: training code in a folder or repository that says how it is run, run anywhere as a tracked run."""
