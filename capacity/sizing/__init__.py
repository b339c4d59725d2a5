"""Sizing: from design rates to replicas, servers and predicted response times."""
