"""Certificate authorities and certificates of an environment, kept in its state folder and renewed in time."""
