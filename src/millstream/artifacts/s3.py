"""S3 and what speaks its protocol: large files in parts that survive a cut, presigned addresses for others."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from millstream import settings
from millstream.artifacts import paths
from millstream.artifacts.paths import ArtifactPath
from millstream.artifacts.remote import FsspecRepository
from millstream.artifacts.repository import PresigningRepository
from millstream.artifacts.storage_errors import RemoteFailed
from millstream.errors import InvalidValue

MIN_PART_BYTES = 5 << 20
MAX_PARTS = 10_000
_UPLOAD_SECONDS = 3600
"""How long the addresses of an upload's parts are good for."""


class S3Repository(FsspecRepository, PresigningRepository):
    """A prefix of a bucket.

    Args:
        uri: `s3://bucket/prefix`.
        endpoint: another address than Amazon's; None is the one of the settings.
    """

    def __init__(self, uri: str, endpoint: str | None = None, bucket: str | None = None) -> None:
        parts = urlsplit(uri)
        self._bucket = bucket or parts.netloc
        if not self._bucket or "@" in self._bucket:
            raise InvalidValue(f"{uri!r} must be s3://bucket/path.")
        prefix = parts.path.strip("/")
        root = f"{self._bucket}/{prefix}" if prefix else self._bucket
        super().__init__(uri, _file_system(endpoint or settings.S3_ENDPOINT_URL.get()), root, renames=False)

    def failures(self) -> tuple[type[Exception], ...]:
        from botocore.exceptions import BotoCoreError, ClientError

        return (*super().failures(), BotoCoreError, ClientError)

    def _object(self, path: ArtifactPath) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self.key(path).partition("/")[2]}

    # ------------------------------------------------------------ up, in parts
    def _put(self, local_path: str, path: ArtifactPath, progress: Callable[[int], None]) -> None:
        size = os.path.getsize(local_path)
        part_size = max(settings.MULTIPART_UPLOAD_CHUNK_SIZE.get(), MIN_PART_BYTES, -(-size // MAX_PARTS))
        if size <= 2 * part_size:
            super()._put(local_path, path, progress)
            return
        with self.translated(path):
            self._put_parts(local_path, path, size, part_size, progress)

    def _put_parts(
        self, local_path: str, path: ArtifactPath, size: int, part_size: int, progress: Callable[[int], None]
    ) -> None:
        """Upload what an earlier, cut upload of the same content has not brought there yet. A cut leaves its parts for the next."""
        where = self._object(path)
        upload_id, there = self._unfinished(where)
        if upload_id is None:
            upload_id = self.fs.call_s3("create_multipart_upload", **where)["UploadId"]

        def send(number: int) -> dict[str, Any]:
            with open(local_path, "rb", buffering=0) as file:
                data = _read_at(
                    file.fileno(), (number - 1) * part_size, min(part_size, size - (number - 1) * part_size)
                )
            known = there.get(number)
            if known is not None and known == hashlib.md5(data, usedforsecurity=False).hexdigest():
                etag = f'"{known}"'
            else:
                etag = self.fs.call_s3("upload_part", **where, UploadId=upload_id, PartNumber=number, Body=data)["ETag"]
            progress(len(data))
            return {"PartNumber": number, "ETag": etag}

        with ThreadPoolExecutor(max(1, settings.ARTIFACT_TRANSFER_THREADS.get())) as pool:
            parts = _all_or_cancel(pool, send, range(1, -(-size // part_size) + 1))
        self.fs.call_s3("complete_multipart_upload", **where, UploadId=upload_id, MultipartUpload={"Parts": parts})

    def _unfinished(self, where: dict[str, str]) -> tuple[str | None, dict[int, str]]:
        """The newest unfinished upload of an object: its id, and the MD5 of each part that is there."""
        answer = self.fs.call_s3("list_multipart_uploads", Bucket=where["Bucket"], Prefix=where["Key"])
        uploads = [upload for upload in answer.get("Uploads", ()) if upload["Key"] == where["Key"]]
        if not uploads:
            return None, {}
        upload_id = max(uploads, key=lambda upload: upload["Initiated"])["UploadId"]
        there: dict[int, str] = {}
        marker = 0
        while True:
            page = self.fs.call_s3("list_parts", **where, UploadId=upload_id, PartNumberMarker=marker)
            there.update((part["PartNumber"], part["ETag"].strip('"')) for part in page.get("Parts", ()))
            if not page.get("IsTruncated"):
                return upload_id, there
            marker = int(page["NextPartNumberMarker"])

    # ------------------------------------------------------------ for others
    def presign_get(self, path: ArtifactPath, seconds: int) -> str:
        # Storage serves what users uploaded: as a download, never as a page.
        name = paths.name(path).encode("ascii", "replace").decode().replace('"', "_")
        disposition = f'attachment; filename="{name}"'
        return self._presign("get_object", seconds, **self._object(path), ResponseContentDisposition=disposition)

    def presign_put(self, path: ArtifactPath, seconds: int) -> str:
        return self._presign("put_object", seconds, **self._object(path))

    def create_parts(self, path: ArtifactPath, count: int) -> tuple[str, list[str]]:
        where = self._object(path)
        with self.translated(path):
            upload_id: str = self.fs.call_s3("create_multipart_upload", **where)["UploadId"]
        urls = [
            self._presign("upload_part", _UPLOAD_SECONDS, **where, UploadId=upload_id, PartNumber=number)
            for number in range(1, count + 1)
        ]
        return upload_id, urls

    def complete_parts(self, path: ArtifactPath, upload_id: str, parts: Sequence[tuple[int, str]]) -> None:
        listed = [{"PartNumber": number, "ETag": etag} for number, etag in sorted(parts)]
        with self._refusals_are_invalid(path):
            # An unknown upload is refused here by every store; asked to complete one, some say only that they failed.
            self.fs.call_s3("list_parts", **self._object(path), UploadId=upload_id, MaxParts=1)
            self.fs.call_s3(
                "complete_multipart_upload",
                **self._object(path),
                UploadId=upload_id,
                MultipartUpload={"Parts": listed},
            )

    def abort_parts(self, path: ArtifactPath, upload_id: str) -> None:
        with self._refusals_are_invalid(path):
            self.fs.call_s3("abort_multipart_upload", **self._object(path), UploadId=upload_id)

    def _refusals_are_invalid(self, path: ArtifactPath) -> Any:
        return _Refusals(self, path)

    def _presign(self, operation: str, seconds: int, **params: Any) -> str:
        from fsspec.asyn import sync

        async def presign() -> str:
            client = await self.fs.set_session()
            url: str = await client.generate_presigned_url(operation, Params=params, ExpiresIn=seconds)
            return url

        with self.translated(params["Key"]):
            url: str = sync(self.fs.loop, presign)
            return url


class _Refusals:
    """A store that refuses an upload id or its parts was asked for something impossible: InvalidValue, not Unavailable."""

    def __init__(self, repository: S3Repository, path: ArtifactPath) -> None:
        self._repository, self._path = repository, path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        text = str(error)
        names = ("NoSuchUpload", "InvalidPart", "EntityTooSmall", "MalformedXML", "upload does not exist")
        if isinstance(error, FileNotFoundError) or any(name in text for name in names):
            raise InvalidValue(f"The store refuses to finish or drop the upload of {self._path!r}: {text}.") from error
        if isinstance(error, self._repository.failures()):
            raise RemoteFailed(f"The artifact store {self._repository.uri!r} failed: {text}.") from error


def open_r2(uri: str) -> S3Repository:
    """`r2://bucket@account.r2.cloudflarestorage.com/prefix`."""
    bucket, _, host = urlsplit(uri).netloc.rpartition("@")
    if not bucket or not host:
        raise InvalidValue(f"{uri!r} must be r2://bucket@account.r2.cloudflarestorage.com/path.")
    return S3Repository(uri, f"https://{host}", bucket)


def _file_system(endpoint: str | None) -> Any:
    import s3fs

    client: dict[str, Any] = {}
    if settings.S3_IGNORE_TLS.get():
        client["verify"] = False
    config: dict[str, Any] = {"max_pool_connections": max(10, 2 * settings.ARTIFACT_TRANSFER_THREADS.get())}
    style = settings.BOTO_CLIENT_ADDRESSING_STYLE.get()
    if style != "auto":
        config["s3"] = {"addressing_style": style}
    return s3fs.S3FileSystem(
        endpoint_url=endpoint,
        client_kwargs=client,
        config_kwargs=config,
        s3_additional_kwargs=_extra_arguments(),
        use_listings_cache=False,
        default_cache_type="none",
    )


def _extra_arguments() -> dict[str, Any]:
    text = settings.S3_UPLOAD_EXTRA_ARGS.get()
    try:
        extra = json.loads(text) if text else {}
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise InvalidValue(
            f'MLFLOW_S3_UPLOAD_EXTRA_ARGS={text!r} must be a JSON object, such as {{"StorageClass": "GLACIER"}}.'
        )
    owner = settings.S3_EXPECTED_BUCKET_OWNER.get()
    return {**extra, "ExpectedBucketOwner": owner} if owner else extra


def _read_at(fd: int, offset: int, length: int) -> bytes:
    data = os.pread(fd, length, offset)
    if len(data) != length:
        raise InvalidValue("The file became shorter while it was uploaded.")
    return data


def _all_or_cancel(
    pool: ThreadPoolExecutor, send: Callable[[int], dict[str, Any]], numbers: range
) -> list[dict[str, Any]]:
    sent = [pool.submit(send, number) for number in numbers]
    try:
        return [future.result() for future in sent]
    except BaseException:
        for future in sent:
            future.cancel()
        raise
