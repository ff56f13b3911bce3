"""``python -m paratrooper_ref``: the command line."""

import sys

from paratrooper_ref.cli import main

if __name__ == "__main__":
    sys.exit(main())
