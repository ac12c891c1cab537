"""Write docs/api.md from the docstrings of the public names: `python docs/write_api_page.py`.

A test fails when the page is not current, and runs its Python blocks.
"""

import inspect
import re
import textwrap
from pathlib import Path

import vidprep

PAGE = Path(__file__).parent / "api.md"
GROUPS = {
    "Raw videos to shards": (
        "audit",
        "build",
        "verify",
        "explain",
        "subset",
        "merge",
        "push",
        "pull",
        "passport",
        "passport_of_raw",
        "compare",
        "index_tars",
        "ShardSet",
    ),
    "Shards to batches": (
        "ClipLoader",
        "ViewLoader",
        "ShardDataset",
        "Batch",
        "DictOutput",
        "to_network_input",
        "show",
        "Augmenter",
        "Augmentation",
        "TrainClip",
        "EvalViews",
        "LoaderOptions",
    ),
    "Batches to results": (
        "plan_training",
        "train",
        "evaluate",
        "rescore",
        "compare_evaluations",
        "reproduce",
        "write_report",
    ),
    "Errors": ("VidprepError",),
}
HEAD = """# The public interface

Made from the docstrings by `docs/write_api_page.py`; do not edit. What is named here stays; everything else
in the package is private by convention and may change from one release to the next.

`import vidprep` costs nothing: torch, Dask and pyarrow are loaded with the first name that needs them. The
commands call these functions, which print nothing; progress goes to a callback. A wrong argument is a
`ValueError`; any other expected failure (a damaged file, a full disk, no GPU) is a `VidprepError`.
"""
_SECTION = re.compile(r"(Args|Attributes|Returns|Yields|Raises):")
_ENTRY = re.compile(r"( {4})?([\w.*`, ]+?): (.*)")


def format_page() -> str:
    """Return the whole page."""
    listed = [name for names in GROUPS.values() for name in names]
    assert sorted(listed) == sorted(vidprep.__all__), "GROUPS has to hold every public name once"
    parts = [HEAD]
    for group, names in GROUPS.items():
        parts.append(f"## {group}\n")
        parts += [_format_object(name, getattr(vidprep, name)) for name in names]
    return "\n".join(parts).rstrip() + "\n"


def _format_object(name: str, thing: object) -> str:
    lines = [f"### `{name}`\n", _signature(name, thing), _format_docstring(inspect.getdoc(thing) or "")]
    if inspect.isclass(thing) and not issubclass(thing, Exception):
        for member, value in _public_members(thing):
            call = "" if isinstance(value, property) else _parameters(value)
            lines.append(f"#### `{name}.{member}{call}`\n")
            lines.append(_format_docstring(inspect.getdoc(value) or ""))
    return "\n".join(lines)


def _public_members(thing: type) -> list[tuple[str, object]]:
    """Return the methods and properties that the class itself documents, in the order of its source."""
    kinds = (property, classmethod, staticmethod)
    return [
        (name, value.__func__ if isinstance(value, (classmethod, staticmethod)) else value)
        for name, value in vars(thing).items()
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, kinds))
    ]


def _signature(name: str, thing: object) -> str:
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return ""
    signature = inspect.signature(thing)  # type: ignore[arg-type]
    parameters = [str(p) for p in signature.parameters.values() if p.name != "self"]
    if any(p.kind is p.KEYWORD_ONLY for p in signature.parameters.values()):
        first = next(i for i, p in enumerate(signature.parameters.values()) if p.kind is p.KEYWORD_ONLY)
        parameters.insert(first, "*")
    result = "" if inspect.isclass(thing) else f" -> {_type_name(signature.return_annotation)}"
    inner = "".join(f"    {_clean(parameter)},\n" for parameter in parameters)
    return f"```text\n{name}(\n{inner}){result}\n```\n"


def _parameters(value: object) -> str:
    signature = inspect.signature(value)  # type: ignore[arg-type]
    parameters = [_clean(str(p)) for p in signature.parameters.values() if p.name not in ("self", "cls")]
    return f"({', '.join(parameters)})"


def _type_name(annotation: object) -> str:
    return _clean(annotation.__name__ if inspect.isclass(annotation) else str(annotation))


def _clean(text: str) -> str:
    """Leave out the modules in front of types, and quotes around them."""
    text = re.sub(r"<function <lambda> at \w+>", "...", text)
    text = re.sub(r"<class '([\w.]+)'>", r"\1", text)
    # How pydantic writes the bounds of a number that may be None.
    text = re.sub(r"FieldInfo\([^[\]]*metadata=\[(.*?)\]\)", r"\1", text)
    text = re.sub(r"(?:[a-z_]+\w*\.)+(?=[A-Z])", "", text)
    return re.sub(r"(?<=: )'([^']*)'", r"\1", text)


def _format_docstring(text: str) -> str:
    """Turn a Google docstring into Markdown: sections become lists, indented blocks become code."""
    paragraphs, section = [], ""
    for block in re.split(r"\n\s*\n", text):
        if match := _SECTION.match(block):
            section = match[1]
            paragraphs.append(f"**{section}**\n\n{_format_entries(block.partition(chr(10))[2])}")
        elif block.startswith("    ") and section:
            paragraphs.append(_format_entries(block))
        elif block.startswith("    "):
            paragraphs.append(f"```python\n{textwrap.dedent(block)}\n```")
        else:
            paragraphs.append(block)
    return "\n\n".join(paragraphs) + "\n"


def _format_entries(block: str) -> str:
    """Make a list of `name: what it is` entries whose continuation lines are indented deeper."""
    entries: list[str] = []
    for line in textwrap.dedent(block).splitlines():
        match = _ENTRY.fullmatch(line)
        if line.startswith(" ") and entries:
            entries[-1] += f" {line.strip()}"
        elif match:
            entries.append(f"- `{match[2].strip()}`: {match[3]}")
        else:
            entries.append(f"- {line.strip()}" if not entries else f"  {line.strip()}")
    return "\n".join(entries)


if __name__ == "__main__":
    PAGE.write_text(format_page(), encoding="utf-8")
    print(f"{PAGE} is written.")
