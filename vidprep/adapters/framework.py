"""Import a framework, or say what is missing."""

import importlib
import re
from typing import Any

from vidprep.errors import ToolError


def import_framework(module: str, *, package: str, at_least: str, needed_for: str) -> Any:
    """Return a framework's module.

    Args:
        module: Name of the module to import.
        package: Name of the package to install; its version is compared.
        at_least: Oldest version that the adapter works with, e.g. "2.2".
        needed_for: What needs it, for the error message.

    Raises:
        ToolError: If it is not installed, too old, or does not import.
    """
    from importlib.metadata import PackageNotFoundError, version

    remedy = f'Install it: pip install "{package}>={at_least}".'
    try:
        found = version(package)
    except PackageNotFoundError as error:
        raise ToolError(f"{needed_for} needs {package}, which is not installed. {remedy}") from error
    if _numbers(found) < _numbers(at_least):
        raise ToolError(f"{needed_for} needs {package} {at_least} or newer, {found} is installed. {remedy}")
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ToolError(
            f"{needed_for} needs {package}, and {package} {found} does not import here: {error}."
        ) from error


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3]]
