"""Many members: axes, groups, slots, snapshots, and loading them again."""
