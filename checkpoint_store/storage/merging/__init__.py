"""What another machine did of the same plan, taken in: a private copy of its store is read, one job after the other."""
