"""Many processes register versions of one model: they are counted without gaps and doubles."""

from __future__ import annotations

import json
import subprocess
import sys

from millstream.store.tracking import open_store

PROCESSES = 16
VERSIONS = 200

# each process registers its share from two threads, moves an alias and a stage with every version, and creates models that exist
WORK = f"""
import json, sys, threading
from millstream.errors import AlreadyExists
from millstream.store.tracking import open_store

uri, me = sys.argv[1], int(sys.argv[2])
store = open_store(uri)
if me % 2:  # a server; the others are programs
    store.db.start_writer_thread()
registry = store.registry
share = range(me, {VERSIONS}, {PROCESSES})
made, failures = [], []

def work(thread):
    try:
        for number in list(share)[thread::2]:
            try:
                registry.create_registered_model("shared", None, [])
            except AlreadyExists:
                pass
            future = store.db.submit(
                lambda: registry.create_model_version("shared", f"s3://b/{{number}}", "", "", "", [], "", str(me)), "shared"
            )
            version = future.result()
            made.append((version.version, version.source))
            registry.set_alias("shared", "newest", version.version)
            registry.transition_model_version_stage("shared", version.version, "Production", True)
    except BaseException as error:
        failures.append(repr(error))

threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
[t.start() for t in threads]
[t.join() for t in threads]
store.close()
print(json.dumps([made, failures]))
"""


def test_concurrent_registrations_count_up_without_gaps_and_doubles(database_url: str) -> None:
    open_store(database_url).close()
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WORK, database_url, str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(PROCESSES)
    ]
    made: list[list[str]] = []
    for process in processes:
        out, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors.decode()
        mine, failures = json.loads(out)
        assert failures == []
        made += mine
    assert sorted(int(version) for version, _ in made) == list(range(1, VERSIONS + 1))
    with open_store(database_url) as store:
        registry = store.registry
        found = registry.search_model_versions("name = 'shared'", ["version_number ASC"], 1000, "")
        assert [[version.version, version.source] for version in found] == sorted(made, key=lambda pair: int(pair[0]))
        in_production = [version.version for version in found if version.current_stage == "Production"]
        assert len(in_production) == 1  # each that came archived the others
        history = list(registry.get_history("shared", None, 1000, ""))
        created = [change.version for change in history if change.action == "VERSION_CREATED"]
        assert created == [str(number) for number in range(VERSIONS, 0, -1)]
        moves = [change for change in reversed(history) if change.action == "ALIAS_SET"]
        assert [move.from_value for move in moves] == [None, *(move.to_value for move in moves[:-1])]
        assert registry.get_registered_model("shared").aliases == {"newest": moves[-1].to_value}
