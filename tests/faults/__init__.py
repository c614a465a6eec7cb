"""Delivery under faults that real machines have: processes killed at any point, power cuts, bad networks."""
