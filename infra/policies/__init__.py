"""Rules over a leased fleet: pure functions from what is declared to remarks with remedies (docs/policies.md)."""
