"""Artifacts by run and through the proxy."""

from http_calls import AJAX, PROXY


def artifacts(s):
    s.area = "artifacts"
    experiment = s.experiment("artifacts")
    run = s.run(experiment)
    root = f"{PROXY}artifacts/{experiment}/{run}/artifacts/"
    put = lambda step, path, data=b"hello", **kw: s.call(step, "PUT", path, raw=data, **kw)  # noqa: E731
    s.get("list before anything", "artifacts/list", {"run_id": run})
    put("put", root + "a.txt")
    put("put in folders", root + "x/y/deep.json", b'{"a": 1}')
    put("put empty", root + "void/empty.bin", b"")
    put("put over", root + "a.txt", b"hello again")
    put("put with a media type", root + "typed.csv", b"a,b\n", headers={"Content-Type": "text/csv"})
    put("put with odd name", root + "sp%20ace%20%C3%BC%2Bplus%2C%25.txt", b"odd")
    put("put html", root + "page.html", b"<script>alert(1)</script>")
    put("put for a run that does not exist", f"{PROXY}artifacts/{experiment}/{'0' * 32}/artifacts/f.txt")
    put(
        "put through the ajax prefix", f"/ajax-api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/ajax.txt"
    )
    put("put a..b", root + "a..b.txt")
    s.get("list", "artifacts/list", {"run_id": run})
    s.get("list by run_uuid", "artifacts/list", {"run_uuid": run, "path": "x"})
    s.get("list an empty file", "artifacts/list", {"run_id": run, "path": "void"})
    s.get("list a folder", "artifacts/list", {"run_id": run, "path": "x/y"})
    s.get("list a file", "artifacts/list", {"run_id": run, "path": "a.txt"})
    s.get("list missing", "artifacts/list", {"run_id": run, "path": "nope"})
    s.get("list empty path", "artifacts/list", {"run_id": run, "path": ""})
    s.get("list unknown run", "artifacts/list", {"run_id": "0" * 32})
    s.get("list without run", "artifacts/list", {})
    for bad in [
        "..",
        "../x",
        "x/../../y",
        "/etc",
        "%2e%2e",
        "x%2f..%2f..",
        "%252e%252e/x",
        "C:/x",
        "file:///etc/passwd",
        "a#b",
    ]:
        s.get(f"list path {bad}", "artifacts/list", {"run_id": run, "path": bad})
    s.get("proxy list", f"{PROXY}artifacts", {"path": f"{experiment}/{run}/artifacts"})
    s.get("proxy list folder", f"{PROXY}artifacts", {"path": f"{experiment}/{run}/artifacts/x"})
    s.get("proxy list file", f"{PROXY}artifacts", {"path": f"{experiment}/{run}/artifacts/a.txt"})
    s.get("proxy list missing", f"{PROXY}artifacts", {"path": "nope/nope"})
    s.get("proxy list ajax", "/ajax-api/2.0/mlflow-artifacts/artifacts", {"path": f"{experiment}/{run}/artifacts/x"})
    for bad in ["..", "../x", "/etc", "%2e%2e", "a#b", "x/../../.."]:
        s.get(f"proxy list path {bad}", f"{PROXY}artifacts", {"path": bad})
    s.get("get", root + "a.txt", with_headers=True)
    s.get("get json", root + "x/y/deep.json", with_headers=False)
    answer = s.http.call("GET", root + "x/y/deep.json")
    s.recorder.record("artifacts: get json, bytes", [answer.media_type, answer.data.decode()])
    s.get("get empty", root + "void/empty.bin", with_headers=True)
    s.get("get html", root + "page.html", with_headers=True)
    s.get("get odd name", root + "sp%20ace%20%C3%BC%2Bplus%2C%25.txt", with_headers=True)
    s.get("get a..b", root + "a..b.txt")
    s.get("get missing", root + "nope.txt")
    s.get("get folder", root + "x")
    s.get("get range", root + "a.txt", headers={"Range": "bytes=2-4"}, with_headers=True)
    s.get("get open range", root + "a.txt", headers={"Range": "bytes=6-"}, with_headers=True)
    s.get("get suffix range", root + "a.txt", headers={"Range": "bytes=-5"}, with_headers=True)
    s.get("get range beyond", root + "a.txt", headers={"Range": "bytes=100-200"})
    head = s.http.call("HEAD", root + "a.txt")
    s.recorder.record("artifacts: head", [head.status, head.headers.get("Content-Length")])
    has = s.http.call("GET", root + "a.txt").headers
    s.recorder.record("artifacts: get has validators", [bool(has.get("ETag")), bool(has.get("Last-Modified"))])
    put("put over a folder", root + "x")
    put("put below a file", root + "a.txt/below")
    put("put with a name of 300", root + "n" * 300)
    s.call("delete", "DELETE", root + "a.txt")
    s.call("delete again", "DELETE", root + "a.txt")
    s.call("delete a tree", "DELETE", root + "x")
    s.get("list after deletes", "artifacts/list", {"run_id": run})

    put("put for get-artifact", root + "ui/file.txt", b"for the UI")
    s.get("get-artifact", "/get-artifact", {"run_id": run, "path": "ui/file.txt"}, with_headers=True)
    s.get("get-artifact by run_uuid", "/get-artifact", {"run_uuid": run, "path": "ui/file.txt"})
    s.get("get-artifact missing", "/get-artifact", {"run_id": run, "path": "nope"})
    s.get("get-artifact folder", "/get-artifact", {"run_id": run, "path": "ui"})
    s.get("get-artifact without path", "/get-artifact", {"run_id": run})
    s.get("get-artifact bad path", "/get-artifact", {"run_id": run, "path": "../x"})
    s.get("get-artifact unknown run", "/get-artifact", {"run_id": "0" * 32, "path": "x"})
    upload = AJAX + "upload-artifact"
    s.call("ui upload", "POST", f"{upload}?run_uuid={run}&path=up/load.txt", raw=b"uploaded")
    s.call("ui upload, read", "GET", root + "up/load.txt")
    s.call("ui upload empty", "POST", f"{upload}?run_uuid={run}&path=up/none.txt", raw=b"")
    s.call("ui upload too big", "POST", f"{upload}?run_uuid={run}&path=up/big.txt", raw=b"x" * (10 * 1024 * 1024 + 1))
    s.call("ui upload by run_id", "POST", f"{upload}?run_id={run}&path=up/x.txt", raw=b"x")
    s.call("ui upload without path", "POST", f"{upload}?run_uuid={run}", raw=b"x")
    s.call("ui upload bad path", "POST", f"{upload}?run_uuid={run}&path=../x", raw=b"x")
    s.call("ui upload unknown run", "POST", f"{upload}?run_uuid={'0' * 32}&path=x", raw=b"x")

    where = f"{experiment}/{run}/artifacts"
    s.post("multipart create", f"{PROXY}mpu/create/{where}", {"path": "big.bin", "num_parts": 2})
    s.post(
        "multipart complete",
        f"{PROXY}mpu/complete/{where}",
        {"path": "big.bin", "upload_id": "x", "parts": [{"part_number": 1, "etag": "e", "url": "u"}]},
    )
    s.post("multipart abort", f"{PROXY}mpu/abort/{where}", {"path": "big.bin", "upload_id": "x"})
    s.get("presigned", f"{PROXY}presigned/{where}/a.txt")
    s.post("presigned upload", "artifacts/presigned-upload-url", {"run_id": run, "path": "a.txt"})
    s.post("presigned download", "artifacts/presigned-download-url", {"run_id": run, "path": "ui/file.txt"})

    bads = [
        "../x",
        "..%2fx",
        "%2e%2e/x",
        "%2e%2e%2fx",
        "%252e%252e%252fx",
        "x/../../y",
        "x/%2e%2e/%2e%2e/y",
        "%2Fetc%2Fpasswd",
        "a%23b",
        "%5C..%5Cx",
        "..",
        "%00",
        "a/%2e%2e/b",
    ]
    for bad in bads:
        s.get(f"get bad {bad}", f"{PROXY}artifacts/{bad}")
        put(f"put bad {bad}", f"{PROXY}artifacts/{bad}")
        s.call(f"delete bad {bad}", "DELETE", f"{PROXY}artifacts/{bad}")
    for odd in ["odd//b.txt", "odd/./c.txt", "odd/a%3Fb.txt", "odd/a;b.txt"]:
        put(f"put odd {odd}", root + odd)
        s.get(f"get odd {odd}", root + odd)
