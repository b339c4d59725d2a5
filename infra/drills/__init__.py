"""Drills: proof that what broke comes back, in time and complete (docs/gates.md)."""
