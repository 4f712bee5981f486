"""Starts a project's script where a cluster runs the driver: in the project's unpacked folder, as `python script.py` would.

    spark_driver.py FOLDER SCRIPT ARGUMENTS...

It is sent to the cluster by itself and needs nothing but Python.
"""

import os
import runpy
import sys


def main() -> None:
    folder, script = sys.argv[1:3]
    os.chdir(folder)
    sys.argv = [script, *sys.argv[3:]]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
