"""A small file that all workers of a machine map into their memory."""

import fcntl
import mmap
import os
from pathlib import Path


def mapped(path: Path, size: int) -> mmap.mmap:
    """Map a file of so many bytes, made of zeros where it is missing or has another size.

    Raises:
        OSError: it cannot be had, for example because the disk is full.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_size != size:
            # Zeros, not a hole: writing into a hole of a full disk would end the process.
            os.ftruncate(fd, 0)
            os.pwrite(fd, bytes(size), 0)
        return mmap.mmap(fd, size)
    except ValueError as error:  # shorter than mapped: the disk is full
        raise OSError(str(error)) from error
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)  # the mapping keeps the file open, and would keep the lock
        os.close(fd)
