"""Imported before anything else in the fork server: Arrow chooses its allocator when it is loaded.

The one it prefers keeps what every thread has freed, 20 MB and more for each table that loads; the C library's gives
it back, at no cost that could be measured.
"""

import os

os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
