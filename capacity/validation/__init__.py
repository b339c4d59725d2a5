"""Predicted against measured: the verdict on a phase, and recalibrated service demands."""
