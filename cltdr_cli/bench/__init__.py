"""How fast this machine is: each part of the work, timed beside the plain way to do it."""
