"""How an experiment is judged. May import numpy, so only the evaluator, the report and commands import it."""
