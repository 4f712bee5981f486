"""Models in skops' format are read without all of scikit-learn, and skops stays what it is for others in the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sklearn.linear_model import LogisticRegression

from millstream.models import skops_files

READS = """\
import sys
from pathlib import Path
from millstream.models import skops_files
from millstream.models.trust import trust_of

file = Path(sys.argv[1])
print(skops_files.read(file, trust_of(False, file)), "sklearn.semi_supervised" in sys.modules)

import skops.io

print(skops.io.get_untrusted_types(file=file), skops.io.load(file), "sklearn.semi_supervised" in sys.modules)
"""


def test_reading_imports_no_more_than_the_model_needs(tmp_path: Path) -> None:
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    assert skops_files.write(model, tmp_path / "model.skops") == []
    command = [sys.executable, "-c", READS, str(tmp_path / "model.skops")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["LogisticRegression() False", "[] LogisticRegression() True"], done.stderr
