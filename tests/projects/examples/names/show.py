"""Writes down what it was given, as a line of JSON."""

import json
import os
import sys

with open(os.environ["GIVEN"], "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\n")
