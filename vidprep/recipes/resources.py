"""Find the folders `pipelines` and `manifests`: at the top of a checkout, or inside an installed wheel."""

from pathlib import Path

_PACKAGE_DIR = Path(__file__).parents[1]


def resource_dir(kind: str) -> Path:
    """Return the folder of one kind of resource.

    Args:
        kind: "pipelines" or "manifests".
    """
    installed_dir = _PACKAGE_DIR / "_resources" / kind
    return installed_dir if installed_dir.is_dir() else _PACKAGE_DIR.parent / kind


def resource_names(kind: str) -> list[str]:
    """Return the sorted names (without `.toml`) of the resources of one kind."""
    return sorted(path.stem for path in resource_dir(kind).glob("*.toml"))
