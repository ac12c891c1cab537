"""A benchmark's section of RESULTS.md, written anew line after line, so that a cut leaves something."""

from pathlib import Path

RESULTS = Path(__file__).parents[1] / "RESULTS.md"


class Section:
    """Prints lines and keeps them in a section of a Markdown file, whose other sections stay as they are.

    Args:
        path: The file; None: lines are printed only.
        heading: Heading of the section, without the hashes.

    Raises:
        ValueError: If the file has no such section.
    """

    def __init__(self, path, heading):
        self._path, self._lines = path, []
        self._before = self._after = ""
        if path:
            text = path.read_text(encoding="utf-8")
            start = text.find(f"## {heading}\n")
            if start < 0:
                raise ValueError(f"{path} has no section '## {heading}'. Write the heading where it belongs.")
            body = start + len(f"## {heading}\n")
            end = text.find("\n## ", body)
            self._before, self._after = text[:body], text[end:] if end >= 0 else ""

    def add(self, text=""):
        """Print lines, and write all so far into the file."""
        print(text, flush=True)
        self._lines.append(text)
        if self._path:
            body = "\n".join(self._lines).rstrip("\n")
            self._path.write_text(f"{self._before}\n{body}\n{self._after}", encoding="utf-8")
