"""Laws that papers claim, and the verdicts on them."""
