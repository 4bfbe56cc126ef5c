"""``python -m cltdr_cli``, and the entry of the console script ``cltdr``."""

from __future__ import annotations

from cltdr_cli.main import main

if __name__ == "__main__":
    main()
