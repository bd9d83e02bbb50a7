"""Put files into the landing bucket."""

import re
import tempfile
from pathlib import Path

from data_platform.demo.generator import generate, land
from data_platform.landing.places.objects import DirectoryBucket
from data_platform.landing.places.s3_bucket import S3Bucket

PREFIX = "online_retail"
_SHOP_FILE = re.compile(rf"{PREFIX}/\d{{4}}-\d{{2}}-\d{{2}}([._-][^/]*)?\.csv")


def land_generated(landing: DirectoryBucket | S3Bucket, *, seed: int) -> int:
    """Land two months of generated files and a second version of one; returns how many landed."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = generate(Path(folder), seed)
        land(Path(folder), manifest.reupload)
        return land_folder(Path(folder), landing)


def land_folder(folder: Path, landing: DirectoryBucket | S3Bucket) -> int:
    """Copy a folder's files into the bucket; identical ones are not copied again."""
    files = _files(folder)
    for key, path in files.items():
        landing.put(key, path)
    return len(files)


def require_shop_files(folder: Path) -> None:
    """Raises FileNotFoundError if a folder has no files for the shop's tables."""
    expected = "the shop's files are named YYYY-MM-DD.csv, as 2011-03-04.csv"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"DATA={folder} is not a directory; give one with files, {expected}"
        )
    files = _files(folder)
    if not any(_SHOP_FILE.fullmatch(key) for key in files):
        names = [path.name for path in files.values()]
        there = (
            f"it has {', '.join(names[:3])}{', ...' * (len(names) > 3)}" if names else "it is empty"
        )
        raise FileNotFoundError(f"DATA={folder} has nothing to load: {expected}; {there}")


def _files(folder: Path) -> dict[str, Path]:
    """A folder's files except hidden ones, by their key in the bucket."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return {_key(path.relative_to(folder)): path for path in sorted(found)}


def _key(path: Path) -> str:
    return (path if path.parts[0] == PREFIX else PREFIX / path).as_posix()
