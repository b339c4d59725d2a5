"""Bringing an environment up and down: the stacks through Pulumi's Automation API, in their order, with progress."""
