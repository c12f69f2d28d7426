"""What the switch, the kernel and Docker disagree about, and how they are made to agree."""
