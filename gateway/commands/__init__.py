"""One file per command of `sluice`: thin faces of functions that live in the packages."""
