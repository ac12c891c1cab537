"""The content of a bucket after a build."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

URL = "s3://bucket/sets/k400"


def objects(bucket, url=URL):
    """sha256 of each object of a set, by name; without what its build keeps."""
    bucket.invalidate_cache()
    root = url.split("://")[1]
    names = [path.removeprefix(f"{root}/") for path in bucket.find(root)]
    shown = [name for name in names if not name.startswith(".build/")]
    return {name: hashlib.sha256(bucket.cat_file(f"{root}/{name}")).hexdigest() for name in shown}


def kept(bucket, url=URL):
    """Names of what the build keeps."""
    bucket.invalidate_cache()
    root = url.split("://")[1]
    return [path.removeprefix(f"{root}/.build/") for path in bucket.find(f"{root}/.build")]


def files(out):
    """sha256 of each file of a set on a disk, by name; without what its build keeps."""
    paths = [path for path in out.rglob("*") if path.is_file() and ".build" not in path.parts]
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def lease(**facts):
    """The lease of a build at work on another machine."""
    now = datetime.now(UTC)
    known = {"token": "t", "host": "node7", "pid": 42, "since": now, "renewed": now}
    facts = known | {"expires": now + timedelta(hours=1)} | facts
    return json.dumps(facts, default=datetime.isoformat).encode()
