"""The version of identjax."""

VERSION = "0.1.0"
