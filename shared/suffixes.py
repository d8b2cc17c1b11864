"""What a file's name must end with to be taken for a picture when a folder is walked."""

from __future__ import annotations

#: Compared with the name's bytes in lower case.
IMAGE_SUFFIXES = (b".jpg", b".jpeg", b".png", b".webp", b".bmp", b".gif", b".tif", b".tiff")
