"""`python -m exporter` is the command `cloudflare-risk-exporter`."""

import sys

from exporter.cli import main

sys.exit(main())
