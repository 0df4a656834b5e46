"""Measurements, one file per claim; each prints ratios from one interleaved run."""
