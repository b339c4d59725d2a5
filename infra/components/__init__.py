"""Pulumi components that the stacks are composed of: typed arguments in, outputs out, no configuration read."""
