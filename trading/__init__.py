"""The rules: vocabulary, ports, errors and decisions in plain Python. Standard library only; imports nothing of ours."""
