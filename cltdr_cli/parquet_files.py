"""Tables in Parquet, through pandas and pyarrow, which is an optional extra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cltdr_cli.errors import AnnotationError, UsageError
from cltdr_cli.files import replacing

if TYPE_CHECKING:
    import pandas as pd

_MAGIC = b"PAR1"


def is_parquet(path: Path) -> bool:
    """Whether a file begins as Parquet does; False for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def require_parquet() -> None:
    """Find out before the work whether Parquet can be read and written.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401 # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed.", "Install it: pip install 'cltdr-cli[parquet]'"
        ) from error


def read_parquet(path: Path) -> tuple[list[str], list[list[str]]]:
    """Headings, and rows of cells as they would stand in a CSV table: a missing value is empty.

    Raises:
        AnnotationError: The file is damaged.
        UsageError: pyarrow is not installed.
    """
    require_parquet()
    import pandas as pd

    try:
        frame = pd.read_parquet(path, engine="pyarrow", dtype_backend="numpy_nullable")
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these two kinds
        raise AnnotationError(f"{path} cannot be read as Parquet: {error}", "Is the file complete?") from error
    frame = frame if _is_numbered(frame) else frame.reset_index()
    columns = [[_to_cell(value) for value in frame.iloc[:, place].tolist()] for place in range(frame.shape[1])]
    return list(map(str, frame.columns)), [list(row) for row in zip(*columns, strict=True)]


def write_parquet(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write a table, atomically.

    Args:
        path: The file.
        columns: Values by heading: texts, whole numbers, or numbers; None for a missing one.

    Raises:
        UsageError: pyarrow is not installed.
        OutputError: The file cannot be written.
    """
    require_parquet()
    import pandas as pd

    frame = pd.DataFrame({name: pd.array(list(map(_to_value, values))) for name, values in columns.items()})  # pyright: ignore[reportArgumentType] # of mixed kinds
    with replacing(path) as partial:
        frame.to_parquet(partial, engine="pyarrow", index=False)


def _is_numbered(frame: pd.DataFrame) -> bool:
    """Whether the rows only have numbers, and no index that holds a column."""
    return frame.index.names == [None]


def _to_cell(value: Any) -> str:
    import pandas as pd

    return "" if value is None or value is pd.NA or value != value else str(value)


def _to_value(value: Any) -> Any:
    """A value that Parquet can hold: halves of characters, of file names that are not UTF-8, become ``?``."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
