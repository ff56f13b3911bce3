"""No tests here, and no doctests: each module needs a framework that may not be installed."""

collect_ignore_glob = ["*"]
