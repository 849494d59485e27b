"""The blocks of the page, one file each."""
