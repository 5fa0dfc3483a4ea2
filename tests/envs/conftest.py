"""``populations`` beside this file and ``jointtools`` of the algorithms' tests are importable from these tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1] / "algorithms"))
