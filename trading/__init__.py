"""The rules: vocabulary, ports, errors and decisions. Standard library only; imports nothing of ours."""
