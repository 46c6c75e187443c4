"""The commands of `workbench`, one file each."""
