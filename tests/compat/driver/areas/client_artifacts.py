"""MlflowClient: artifacts through the proxy, and the calls that write figures, images, tables, dicts and texts."""

import io

from shapes import only

FILES = only("path", "is_dir", "file_size")
NAMES = only("path", "is_dir")


def artifacts(s):
    s.area = "client artifacts"
    c = s.client
    experiment = s.experiment("client artifacts")
    run = c.create_run(experiment, start_time=1, run_name="a").info.run_id
    s.do("list none", c.list_artifacts, run)
    one = s.file("one.txt", "one\n")
    s.file("tree/a.txt", "a")
    s.file("tree/sub/b.txt", "bb")
    s.file("tree/sub/empty.txt", "")
    s.do("log file", c.log_artifact, run, str(one))
    s.do("log file into a folder", c.log_artifact, run, str(one), "folder/deeper")
    s.do("log file over itself", c.log_artifact, run, str(s.file("one.txt", "one again\n")))
    s.do("log folder", c.log_artifacts, run, str(s.folder / "files" / "tree"), "tree")
    s.do("log folder at the root", c.log_artifacts, run, str(s.folder / "files" / "tree"))
    s.do("log odd name", c.log_artifact, run, str(s.file("odd ü +,%#name.txt".replace("#", ""), "odd")))
    s.do("log missing file", c.log_artifact, run, str(s.folder / "missing"))
    s.do("log outside", c.log_artifact, run, str(one), "../out")
    s.do("log to unknown run", c.log_artifact, "0" * 32, str(one))
    s.do("list", c.list_artifacts, run, show=FILES)
    s.do("list folder", c.list_artifacts, run, "tree", show=FILES)
    s.do("list deeper", c.list_artifacts, run, "tree/sub", show=NAMES)
    s.do("list file", c.list_artifacts, run, "one.txt", show=FILES)
    s.do("list missing", c.list_artifacts, run, "nope", show=FILES)
    s.do("list outside", c.list_artifacts, run, "../..", show=FILES)
    read = lambda path: open(path, encoding="utf-8").read()  # noqa: E731, SIM115
    s.do("download file", lambda: read(c.download_artifacts(run, "one.txt")))
    s.do("download odd name", lambda: read(c.download_artifacts(run, "odd ü +,%name.txt")))
    into = s.folder / "into"
    into.mkdir()
    s.do("download folder", lambda: c.download_artifacts(run, "tree", str(into)))
    s.do("downloaded", lambda: sorted(str(p.relative_to(into)) for p in into.rglob("*")))
    s.do("download all", lambda: len(list(_walk(c.download_artifacts(run, "")))))
    s.do("download missing", c.download_artifacts, run, "nope")
    s.do("download outside", c.download_artifacts, run, "../../x")
    uri = f"runs:/{run}/tree/sub/b.txt"
    s.do("fluent download", lambda: read(s.mlflow.artifacts.download_artifacts(artifact_uri=uri)))
    s.do("fluent load text", lambda: s.mlflow.artifacts.load_text(uri))
    s.do("fluent list", lambda: s.mlflow.artifacts.list_artifacts(run_id=run, artifact_path="tree"), show=FILES)
    proxied = f"mlflow-artifacts:/{experiment}/{run}/artifacts/one.txt"
    s.do("by proxied uri", lambda: s.mlflow.artifacts.load_text(proxied))
    big = s.folder / "big.bin"
    big.write_bytes(bytes(range(256)) * 40_000)
    s.do("big file", c.log_artifact, run, str(big))
    s.do("big file, read", lambda: open(c.download_artifacts(run, "big.bin"), "rb").read() == big.read_bytes())  # noqa: SIM115
    repository = s.mlflow.store.artifact.artifact_repository_registry.get_artifact_repository(
        f"mlflow-artifacts:/{experiment}/{run}/artifacts"
    )
    s.do("delete file", repository.delete_artifacts, "one.txt")
    s.do("delete folder", repository.delete_artifacts, "tree")
    s.do("list after deletes", c.list_artifacts, run, show=NAMES)


def _walk(folder):
    from pathlib import Path

    return Path(folder).rglob("*")


def media(s):
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd

    s.area = "client media"
    c = s.client
    run = c.create_run(s.experiment("client media"), start_time=1, run_name="m").info.run_id
    s.do("text", c.log_text, run, "some text\n", "texts/one.txt")
    s.do("dict as json", c.log_dict, run, {"a": [1, 2], "b": None}, "dicts/one.json")
    s.do("dict as yaml", c.log_dict, run, {"a": [1, 2], "b": None}, "dicts/one.yml")
    figure = plt.figure()
    plt.plot([1, 2], [3, 4])
    s.do("figure", c.log_figure, run, figure, "figures/one.png")
    image = (np.arange(48).reshape(4, 4, 3) * 5).astype("uint8")
    s.do("image", c.log_image, run, image, "images/one.png")
    s.do("image by step", c.log_image, run, image, key="progress", step=3, timestamp=77)
    s.do("table", c.log_table, run, {"q": ["a", "b"], "n": [1, 2]}, "tables/one.json")
    s.do("table, more rows", c.log_table, run, pd.DataFrame({"q": ["c"], "n": [3]}), "tables/one.json")
    s.do("table outside", c.log_table, run, {"q": ["a"]}, "../x.json")
    s.mlflow.flush_artifact_async_logging() if hasattr(s.mlflow, "flush_artifact_async_logging") else None
    for folder in ("texts", "dicts", "figures", "tables"):
        s.do(f"list {folder}", c.list_artifacts, run, folder, show=NAMES)
    s.do("list images", lambda: sorted(f.path.split("%")[0] for f in c.list_artifacts(run, "images")))
    text = lambda path: open(c.download_artifacts(run, path), encoding="utf-8").read()  # noqa: E731, SIM115
    s.do("text, read", lambda: text("texts/one.txt"))
    s.do("json, read", lambda: text("dicts/one.json"))
    s.do("yaml, read", lambda: text("dicts/one.yml"))
    s.do("table, read", lambda: text("tables/one.json"))
    s.do("figure, read", lambda: s.mlflow.artifacts.load_image(f"runs:/{run}/images/one.png").size)
    s.do("tags", lambda: dict(c.get_run(run).data.tags))
    s.do("load table", lambda: s.mlflow.load_table("tables/one.json", run_ids=[run]))
    if s.has("stream", c, "log_stream"):
        s.do("stream", c.log_stream, run, io.BytesIO(b"streamed"), "streams/one.bin")
        s.do("stream, read", lambda: text("streams/one.bin"))
