"""Check that the workers of a cluster have this process's versions: others would write other bytes."""

import platform
from typing import Any

from distributed import Client

import vidprep
from vidprep.errors import ToolError, VidprepError
from vidprep.ffmpeg import ffmpeg_version, find_ffmpeg

_NUM_NAMED = 5
_UNKNOWN = "none that works"


def check_workers(client: Client, ffmpeg: str | None) -> None:
    """Make sure that the workers of a cluster have this process's vidprep, Python and FFmpeg.

    Args:
        client: Client of the cluster; workers that join later are checked with their first shard.
        ffmpeg: Path of the user's FFmpeg; None: the one that comes with vidprep.

    Raises:
        ToolError: If a worker differs; the message names its host, its version and the right one.
    """
    ours = _versions(ffmpeg)
    known = client.get_versions(packages=["vidprep"])["workers"]
    fitting = [address for address, one in known.items() if _of_worker(one).items() <= ours.items()]
    told = client.run(_versions, ffmpeg, workers=fitting, on_error="return") if fitting else {}
    misfits: dict[str, str] = {}
    for address, one in known.items():
        more_of_it = told.get(address, {})
        if not isinstance(more_of_it, dict):  # what importing our code there raised
            more_of_it = {"vidprep": _UNKNOWN}
        found = _of_worker(one) | more_of_it
        host = found.pop("host", address.removeprefix("tcp://"))
        if words := describe_misfit(found, ours):
            misfits[f"{host}: {words}"] = address
    if misfits:
        named = "; ".join(list(misfits)[:_NUM_NAMED])
        more = f"; and {len(misfits) - _NUM_NAMED:,} more" if len(misfits) > _NUM_NAMED else ""
        raise ToolError(
            f"Some workers differ from this machine ({platform.node()}), and would make other bytes. "
            f"{named}{more}. Install the same versions everywhere; nothing has been built."
        )


def describe_misfit(found: dict[str, str], ours: dict[str, str]) -> str:
    """Say what a worker has that it should not have; "" if it fits.

    {"Python": "3.12", "vidprep": "0.2.0"}, ours 3.11 -> "Python 3.12, here 3.11"
    """
    return ", ".join(
        f"{name} {found[name]}, here {version}"
        for name, version in ours.items()
        if name != "host" and name in found and found[name] != version
    )


def _of_worker(one: dict[str, Any]) -> dict[str, str]:
    """Return the versions of a worker that cannot run our code, as far as Dask knows them."""
    packages = one["packages"]
    of_vidprep = {"vidprep": packages["vidprep"]} if packages.get("vidprep") else {}
    return {"Python": _minor(packages["python"])} | of_vidprep


def _versions(ffmpeg: str | None) -> dict[str, str]:
    """Return the versions of this process."""
    try:
        of_ffmpeg = ffmpeg_version(find_ffmpeg(ffmpeg))
    except VidprepError:
        of_ffmpeg = _UNKNOWN
    return {
        "host": platform.node(),
        "Python": _minor(platform.python_version()),
        "vidprep": vidprep.__version__,
        "FFmpeg": of_ffmpeg,
    }


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
