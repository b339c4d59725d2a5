"""What if: changes to a launch plan, recomputed beside it. Pure; the page that offers it is `oss.serving`."""
