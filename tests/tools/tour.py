"""docs/tour.ipynb: run it, and write it anew with what it gives (``make tour``)."""

import tempfile
from pathlib import Path
from typing import Any

TOUR = Path(__file__).parents[2] / "docs" / "tour.ipynb"


def executed(folder: Path) -> Any:
    """The notebook as it comes out of a fresh kernel that runs in ``folder``; progress is left out."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(TOUR, as_version=4)
    client = NotebookClient(
        notebook, timeout=240, kernel_name="python3", record_timing=False, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return notebook


def main() -> None:
    """Write the notebook with its outputs."""
    import nbformat

    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(executed(Path(folder)), TOUR)


if __name__ == "__main__":
    main()
