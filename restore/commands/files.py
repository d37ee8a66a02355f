"""Which photos a command reads and which files it writes, settled before any work starts."""

import glob
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from restore.commands.failure import FAILED, Refusal

STREAM = "-"
MOST_PIXELS = 200_000_000
"""Of a picture that is decoded."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
COMPANION = re.compile(r"\.(mask|kernel|std|sample\d+)$")
"""How the stem of a picture ends that a command has written beside a photo."""


@dataclass(frozen=True)
class Found:
    """A photo to read: a path, address or "-"; and where it lies below the folder of its search."""

    source: str
    below: Path


@dataclass(frozen=True)
class Job:
    """One photo and the picture to write; "-" is standard input or output; below as in Found."""

    source: str
    target: str
    below: Path

    def beside(self, ending: str) -> Path:
        """A file beside the picture: photo.png and ".json" give photo.json."""
        return Path(self.target).with_suffix(ending)


def gather(
    names: Iterable[str], tag: str, *, recursive: bool = False, output: str | None = None
) -> list[Found]:
    """The photos that files, globs, folders, addresses and "-" name, in order, each once.

    From folders come photos only, and none that this task made before: neither those with its tag
    nor those in the folder `output`. A name without a file stays in the list: reading it fails
    later, and the others are restored. Refusal for a folder or a glob without photos.
    """
    found: list[Found] = []
    for name in names:
        if name == STREAM:
            found.append(Found(STREAM, Path(STREAM)))
        elif is_address(name):
            from restore.cluster.places import photos

            found += photos(name, tag, recursive, output)
        elif os.path.isdir(name):
            found += _folder(Path(name), tag, recursive, output)
        elif not os.path.exists(name) and glob.has_magic(name):
            matches = sorted(m for m in glob.glob(name, recursive=True) if is_photo(m))
            if not matches:
                raise Refusal(f"{name}: matches no photo; check the pattern", FAILED)
            found += [Found(match, Path(Path(match).name)) for match in matches]
        else:
            found.append(Found(name, Path(Path(name).name)))
    unique: dict[str, Found] = {}
    for each in found:
        far = is_address(each.source)
        unique.setdefault(each.source if far else os.path.abspath(each.source), each)
    return list(unique.values())


def plan(
    found: list[Found],
    output: str | None,
    tag: str,
    endings: Iterable[str] = (),
    used: Iterable[str] = (),
    *,
    suffix: str | None = None,
) -> list[Job]:
    """One job a photo: beside it as photo.TAG.png, or where `output` says, keeping the tree.

    endings: of what is written beside each picture. used: files that are read besides the photos.
    suffix: of every picture; by default its photo's.
    Refusal when a file would be written twice, or a file that is read would be written.
    """
    into_folder = output is not None and _is_folder(output, len(found))
    jobs = [Job(f.source, _target(f, output, tag, into_folder, suffix), f.below) for f in found]
    protected = {_identity(name): name for name in [*(f.source for f in found), *used]}
    writers: dict[str, str] = {}
    for job in jobs:
        if job.target == STREAM:
            if len(jobs) > 1:
                raise Refusal("-o -: standard output takes one picture; name a folder")
            continue
        for path in (job.target, *(str(job.beside(ending)) for ending in endings)):
            key = _identity(path)
            if key in protected:
                raise Refusal(f"{path}: is an input, and inputs are never overwritten; use -o")
            if key in writers:
                raise Refusal(
                    f"{path}: both {writers[key]} and {job.source} would be written there; "
                    "rename one or restore them in two runs"
                )
            writers[key] = job.source
    return jobs


def is_address(name: str) -> bool:
    """Whether a name is that of a store, like s3://bucket/folder, rather than a path."""
    return "://" in name


def joined(folder: str, below: Path) -> str:
    """The address or path of what lies in a folder; what follows a "?" stays at the end."""
    if not is_address(folder):
        return str(Path(folder) / below)
    place, mark, query = folder.partition("?")
    return f"{place.rstrip('/')}/{below.as_posix()}{mark}{query}"


def is_photo(name: str | Path) -> bool:
    """Whether a file's name is that of a photo, and of no companion of one."""
    path = Path(name)
    return (
        path.suffix.lower() in SUFFIXES
        and not COMPANION.search(path.stem)
        and not path.name.startswith(".")
    )


def clear(job: Job, endings: Iterable[str]) -> None:
    """Remove what was half written of a job."""
    for path in (Path(job.target), *map(job.beside, endings)):
        for torn in path.parent.glob(f".{glob.escape(path.name[:100])}.*.part"):
            torn.unlink(missing_ok=True)


def require(source: str) -> None:
    """PhotoError for a path that leads to nothing, before anything that takes time is loaded."""
    if source != STREAM and not is_address(source) and not os.path.exists(source):
        from restore.reading import file_bytes

        file_bytes(Path(source))


def inspect(source: str, mask: str | None = None) -> None:
    """Refuse a photo that cannot be decoded, and a mask that cannot or has another size, without
    what restoring it takes; PhotoError. A mask that is no file is left to who looks for it."""
    from restore.decode import PhotoError, decode_bytes

    def sides(path: str) -> tuple[int, int]:
        data = Path(path).read_bytes()
        height, width = decode_bytes(data, path, MOST_PIXELS).samples.shape[:2]
        return width, height

    photo = sides(source)
    if mask is None or not os.path.isfile(mask):
        return
    try:
        found = sides(mask)
    except PhotoError as error:
        raise PhotoError(f"mask {error}") from error
    if found != photo:
        raise PhotoError(
            f"mask {mask}: {found[0]} x {found[1]} pixels, the photo has {photo[0]} x {photo[1]}; "
            "draw it at that size"
        )


def read_source(source: str) -> str | bytes:
    """What the library reads: a path as it is, or the bytes of standard input."""
    if source != STREAM:
        return source
    data = sys.stdin.buffer.read()
    if not data:
        raise Refusal("-: standard input is empty; pipe a picture into it", FAILED)
    return data


def _folder(folder: Path, tag: str, recursive: bool, output: str | None) -> list[Found]:
    own = None if output is None else Path(output).resolve()
    photos = [
        path
        for path in sorted(folder.rglob("*") if recursive else folder.glob("*"))
        if is_photo(path) and Path(path.stem).suffix != tag and path.is_file()
        if own is None or own == folder.resolve() or own not in path.resolve().parents
    ]
    if not photos:
        cure = "" if recursive else "; -r looks into its folders too"
        raise Refusal(f"{folder}: holds no photos ({', '.join(SUFFIXES)}){cure}", FAILED)
    return [Found(str(path), path.relative_to(folder)) for path in photos]


def _target(
    found: Found, output: str | None, tag: str, into_folder: bool, suffix: str | None
) -> str:
    if output is not None and not into_folder:
        return output
    if found.source == STREAM:
        if output is None:
            return STREAM
        raise Refusal(f"-o {output}: is a folder, standard input has no name; name a file")
    own = found.below.suffix
    suffix = suffix or (own if own.lower() in SUFFIXES else ".png")
    if output is not None:
        return joined(output, found.below.with_suffix(suffix))
    if is_address(found.source):
        place, mark, query = found.source.partition("?")
        return f"{place.removesuffix(own)}{tag}{suffix}{mark}{query}"
    return str(Path(found.source).with_suffix(tag + suffix))


def _is_folder(output: str, photos: int) -> bool:
    if output == STREAM:
        return False
    suffix = Path(output).suffix.lower()
    if is_address(output):
        return True
    if os.path.isdir(output) or output.endswith(("/", os.sep)) or not suffix:
        return True
    if suffix not in SUFFIXES:
        raise Refusal(f"-o {output}: name it with one of {', '.join(SUFFIXES)}, or end it with /")
    if photos > 1:
        raise Refusal(f"-o {output}: is one file for {photos} photos; name a folder")
    return False


def _identity(path: str) -> str:
    """The same for two names of one file, links included."""
    if path == STREAM:
        return path
    try:
        status = os.stat(path)
        return f"{status.st_dev}:{status.st_ino}"
    except OSError:
        return os.path.normcase(os.path.realpath(path))
