"""One member: its configuration, its batches, its objective and its step."""
