"""What the operating system says about a file, as the errors that users and clients understand.

A request that can never work is InvalidValue or NotFound; a disk that is full, read-only or broken is Unavailable, because the
same request works once somebody has helped the disk.
"""

from __future__ import annotations

import errno

from millstream.errors import ArtifactNotFound, InvalidValue, MillstreamError, PermissionDenied, Unavailable

_NOT_THERE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))
_WRONG_KIND = frozenset((errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENOTEMPTY, errno.ENXIO))
_DISK = {
    errno.ENOSPC: "its disk is full",
    errno.EDQUOT: "its disk quota is used up",
    errno.EROFS: "it is read-only",
    errno.EACCES: "the permission is missing",
    errno.EPERM: "the permission is missing",
    errno.EIO: "its disk reports an error",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.ESTALE: "its file system went away",
}


class RemoteFailed(Unavailable):
    """A remote store did not answer. The message quotes its library, which names addresses: not for a server's clients."""


class RemoteRefused(PermissionDenied):
    """A remote store refuses access. The message quotes its library, which names accounts: not for a server's clients."""


def reading(error: OSError, path: str) -> MillstreamError:
    """The error of a failed read or listing of the artifact `path`."""
    if error.errno in _NOT_THERE:
        return ArtifactNotFound(path)
    if error.errno == errno.EISDIR:
        return is_folder(path)
    if error.errno == errno.ENAMETOOLONG:
        return InvalidValue(f"The artifact path {path[:200]!r} is too long for the file system that it is stored in.")
    return unavailable(error)


def writing(error: OSError, path: str) -> MillstreamError:
    """The error of a failed write or deletion of the artifact `path`."""
    if error.errno in _WRONG_KIND:
        return InvalidValue(
            f"Cannot store an artifact at {path!r}: a folder has that name, or a file has the name of one of its folders. "
            "Choose another path."
        )
    if error.errno == errno.ENAMETOOLONG:
        return InvalidValue(f"The artifact path {path[:200]!r} is too long for the file system that it is stored in.")
    return unavailable(error)


def is_folder(path: str) -> InvalidValue:
    return InvalidValue(f"The artifact {path!r} is a folder. List it, or name one of its files.")


def unavailable(error: OSError) -> Unavailable:
    reason = _DISK.get(error.errno or 0, f"error {errno.errorcode.get(error.errno or 0, error.errno)}")
    return Unavailable(f"The artifact store cannot be used: {reason}. Nothing was changed; try again later.")
