"""Photos in a store that pyarrow reads, such as s3://bucket/folder: listed, fetched, put."""

import fnmatch
import glob
from pathlib import Path, PurePosixPath
from typing import Any

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
    """The files in a folder, by their names below it, in order; none where there is no folder."""
    files, path = _opened(folder)
    from pyarrow import fs

    selector = fs.FileSelector(path, allow_not_found=True, recursive=recursive)
    found = [info.path for info in files.get_file_info(selector) if info.is_file]
    return sorted(name[len(path) :].lstrip("/") for name in found)


def fetched(address: str) -> bytes:
    """What a file holds; OSError where it cannot be read."""
    files, path = _opened(address)
    with files.open_input_stream(path) as stream:
        data: bytes = stream.read()
        return data


def put(data: bytes, address: str) -> None:
    """Write a file, whole or not at all; what was there is replaced."""
    files, path = _opened(address)
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


def _opened(address: str) -> tuple[Any, str]:
    """The file system of an address and the path in it; Refusal where there is none."""
    if "@" in address.partition("://")[2].partition("/")[0]:
        raise Refusal("an address with a key in it would be recorded; use AWS_ACCESS_KEY_ID")
    try:
        from pyarrow import fs
    except ImportError as error:
        raise Refusal(f"{address}: {error}; pip install 'photomend[ray]'", FAILED) from error
    try:
        files, path = fs.FileSystem.from_uri(address)
    except (ValueError, OSError) as error:
        raise Refusal(f"{address}: cannot be opened ({error})", FAILED) from error
    return files, str(path).rstrip("/")
