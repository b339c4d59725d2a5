"""Phase gates: no phase starts without fresh, passed evidence for it (docs/gates.md)."""
