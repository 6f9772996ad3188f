"""Jars without the signatures of their publishers, which a JVM checks at every start and nobody asks for.

A signature in a jar says that the jar is whole. Maven has compared its checksum when it fetched the jar; a JVM digests
the signed jar again at every start, and keeps the classes of signed jars out of its archives.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from zipfile import ZipFile

_FOLDER = "META-INF"
_MANIFEST = f"{_FOLDER}/MANIFEST.MF"
_SIGNATURE_ENDINGS = {".SF", ".RSA", ".DSA", ".EC"}


def without_signatures(jars: Path) -> list[str]:
    """The names of the jars in the folder that were signed; they are not any more, their classes are untouched."""
    return [jar.name for jar in sorted(jars.glob("*.jar")) if _drop_signature(jar)]


def _drop_signature(jar: Path) -> bool:
    with ZipFile(jar) as signed:
        entries = [entry for entry in signed.infolist() if not _is_signature(entry.filename)]
        if len(entries) == len(signed.infolist()):
            return False
        fresh = jar.with_suffix(".unsigned")
        with ZipFile(fresh, "w") as unsigned:
            for entry in entries:
                content = signed.read(entry)
                unsigned.writestr(entry, _main_section(content) if entry.filename == _MANIFEST else content)
    fresh.replace(jar)
    return True


def _is_signature(name: str) -> bool:
    path = PurePosixPath(name)
    return str(path.parent) == _FOLDER and path.suffix.upper() in _SIGNATURE_ENDINGS


def _main_section(manifest: bytes) -> bytes:
    """What the manifest says of the jar; the sections after it are the digests that the signature speaks of."""
    return manifest.replace(b"\r\n", b"\n").partition(b"\n\n")[0].rstrip(b"\n") + b"\n\n"
