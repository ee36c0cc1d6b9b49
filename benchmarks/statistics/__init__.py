"""Shows by simulation that the intervals and verdicts of comparisons are what they say: ``make statistics``."""
