"""Run a notebook without a kernel: its cells one after another, and what their last expressions show."""

import ast
import json
from pathlib import Path


def run_notebook(path: Path, names: dict[str, object]) -> list[str]:
    """Run the code cells of a notebook; return the HTML or text that each shows, "" for none."""
    cells = json.loads(path.read_text())["cells"]
    return [run_cell("".join(cell["source"]), names) for cell in cells if cell["cell_type"] == "code"]


def run_cell(code: str, names: dict[str, object]) -> str:
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if last is None:
        return ""
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    return value._repr_html_() if hasattr(value, "_repr_html_") else repr(value)
