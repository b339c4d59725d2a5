"""Networks of the fleet: addresses by explicit offsets, supporting devices, cabling. Pure functions."""
