"""A Pulumi language host for Python, used where the official one cannot be installed."""
