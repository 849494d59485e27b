"""The script that writes the golden values needs PyTorch, which the tests do without."""

collect_ignore = ["make_golden.py"]
