"""The accounting of a ledger as a table: what became of the annotated videos."""

import pyarrow as pa
from rich.table import Table

from vidprep.recipes.manifests import SPLITS


def accounting_table(ledger: pa.Table) -> Table:
    """Return annotated, used, missing and rejected per split, and a line per reason of rejection."""
    rows = ledger.select(["split", "status", "reason"]).to_pandas()
    table = Table(box=None, header_style="bold")
    table.add_column("")
    for split in SPLITS:
        table.add_column(split, justify="right")
    table.add_row("annotated", *(f"{int((rows['split'] == split).sum()):,}" for split in SPLITS))
    for status in ("used", "missing", "rejected"):
        chosen = rows[rows["status"] == status]
        table.add_row(status, *(f"{int((chosen['split'] == split).sum()):,}" for split in SPLITS))
    rejected = rows[rows["status"] == "rejected"]
    for reason in sorted(set(rejected["reason"])):
        chosen = rejected[rejected["reason"] == reason]
        table.add_row(f"  {reason}", *(f"{int((chosen['split'] == split).sum()):,}" for split in SPLITS))
    return table
