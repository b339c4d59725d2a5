"""The page that a rehearsal ends with: plan, what was built, what was measured, verdict."""
