"""What `launch.bench` measures: contests in alternating rounds, against peers and the machine."""
