"""Demand: arrivals of every traffic class from published usage, hour profiles and stated uncertainty."""
