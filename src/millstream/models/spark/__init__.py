"""What the flavor `spark` and functions over Spark frames share.

`session` finds Spark and the session in use, `staging` moves files between this machine and where Spark's executors write, `files` looks at
what a saved model names. None of it imports pyspark before it is called.
"""
