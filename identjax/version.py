"""The version of identjax."""

VERSION = "0.2.0"
