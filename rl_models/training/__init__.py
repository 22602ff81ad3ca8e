"""Where policies are made: environment, training, walk-forward, calibration, export, import.

Needs the `train` extra; never loaded by the service.
"""
