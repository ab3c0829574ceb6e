"""``python -m stressnet``."""

from stressnet.cli import main

main()
