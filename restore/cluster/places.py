"""Photos in a store that pyarrow reads, such as s3://bucket/folder: listed, fetched, put.

An address names a file as it is called, without percent signs for spaces or umlauts; what follows
a "?" is pyarrow's. Keys and the place of a store that is not Amazon's are pyarrow's, too:
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL.
"""

import fnmatch
import glob
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from restore.commands.failure import FAILED, Refusal
from restore.commands.files import SUFFIXES, Found, is_photo, joined


def photos(address: str, tag: str, recursive: bool, output: str | None) -> list[Found]:
    """The photos that an address names: one, those of a folder, or those of a pattern.

    None that this task made before: neither those with its tag nor those in the folder `output`.
    Refusal where there is none.
    """
    folder, pattern = address, "*"
    place, mark, query = address.partition("?")
    if glob.has_magic(place):
        folder, pattern = f"{place.rpartition('/')[0]}{mark}{query}", place.rpartition("/")[2]
    elif PurePosixPath(place).suffix.lower() in SUFFIXES:
        return [Found(address, Path(PurePosixPath(place).name))]
    own = None if output is None else output.partition("?")[0].rstrip("/") + "/"
    found = [
        Found(source, Path(name))
        for name in listed(folder, recursive=recursive)
        if is_photo(name) and PurePosixPath(PurePosixPath(name).stem).suffix != tag
        if fnmatch.fnmatch(PurePosixPath(name).name, pattern)
        if not (source := joined(folder, Path(name))).startswith(own or "\0")
        or own == folder.partition("?")[0].rstrip("/") + "/"
    ]
    if not found:
        cure = "" if recursive else "; -r looks into its folders too"
        raise Refusal(f"{address}: holds no photos ({', '.join(SUFFIXES)}){cure}", FAILED)
    return found


def listed(folder: str, *, recursive: bool) -> list[str]:
    """The files in a folder, by their names below it, in order; none where there is no folder.

    Refusal for a bucket that is not there, and for a store that gives no answer or no permission.
    """
    files, path = _opened(folder)
    from pyarrow import fs

    selector = fs.FileSelector(path, allow_not_found=True, recursive=recursive)
    with _explained(folder):
        found = [info.path for info in files.get_file_info(selector) if info.is_file]
        if not found and files.type_name != "local":
            bucket = path.partition("/")[0]
            if files.get_file_info(bucket).type == fs.FileType.NotFound:
                told = f"{folder}: there is no bucket {bucket}; create it, or check its name"
                raise Refusal(told, FAILED)
    return sorted(name[len(path) :].lstrip("/") for name in found)


def fetched(address: str) -> bytes:
    """What a file holds; Refusal where it cannot be read."""
    files, path = _opened(address)
    with _explained(address), files.open_input_stream(path) as stream:
        data: bytes = stream.read()
        return data


def put(data: bytes, address: str) -> None:
    """Write a file, whole or not at all; what was there is replaced. Refusal where that fails."""
    files, path = _opened(address)
    with _explained(address):
        _put(data, files, path)


def _put(data: bytes, files: Any, path: str) -> None:
    if files.type_name != "local":  # an object appears when it is complete
        with files.open_output_stream(path) as stream:
            stream.write(data)
        return
    target = PurePosixPath(path)
    torn = str(target.with_name(f".{target.name}.part"))
    files.create_dir(str(target.parent), recursive=True)
    with files.open_output_stream(torn) as stream:
        stream.write(data)
    files.move(torn, path)


_CURES = (
    ("NETWORK", "check the network, and AWS_ENDPOINT_URL for a store that is not Amazon's"),
    ("KEY_ID", _KEYS := "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, on every node"),
    ("SIGNATURE", _KEYS),
    ("ACCESS_DENIED", _KEYS),
    ("INTERNAL_FAILURE", _KEYS),  # which pyarrow says where it is given none
    ("NO_SUCH_BUCKET", "create the bucket, or check its name"),
)


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """What a store answers, as a Refusal with the cure."""
    try:
        yield
    except FileNotFoundError as error:
        raise Refusal(f"{address}: is not there; check the name", FAILED) from error
    except OSError as error:
        told = str(error).partition("AWS Error ")[2].partition(" ")[0] or str(error)
        cure = next((cure for word, cure in _CURES if word in told), "check the store")
        raise Refusal(f"{address}: the store tells {told}; {cure}", FAILED) from error


def _opened(address: str) -> tuple[Any, str]:
    """The file system of an address and the path in it; Refusal where there is none."""
    if "@" in address.partition("://")[2].partition("/")[0]:
        raise Refusal("an address with a key in it would be recorded; use AWS_ACCESS_KEY_ID")
    try:
        from pyarrow import fs
    except ImportError as error:
        raise Refusal(f"{address}: {error}; pip install 'photomend[ray]'", FAILED) from error
    place, mark, query = address.partition("?")
    scheme, colon, path = place.partition("://")
    try:
        files, path = fs.FileSystem.from_uri(f"{scheme}{colon}{quote(path)}{mark}{query}")
    except (ValueError, OSError) as error:
        raise Refusal(f"{address}: cannot be opened ({error})", FAILED) from error
    return files, str(path).rstrip("/")
