"""From a config to groups of members, before anything is compiled."""
