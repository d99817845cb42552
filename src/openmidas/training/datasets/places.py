"""Sets whose pictures and targets know each other by their paths: listed in one walk, without opening a file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from openmidas.files.errors import system_error
from openmidas.files.images import Rgb
from openmidas.training.datasets.entry import Entry, Target
from openmidas.training.datasets.folders import require

# Archives and people put folders around a set's own; more than these are another tree, or a link that leads back.
_MOST_ABOVE = 8
_FIELD = re.compile(r"\{(\w+)(?::([^}]+))?\}")


@dataclass(frozen=True)
class Template:
    """A path with fields, such as `{scene}/color/{name}_c.png`, below any folder.

    A field is a part of a name; behind a colon stands what it may be, if not anything: `{suffix:jpg|png}`.
    """

    text: str

    @cached_property
    def folder(self) -> re.Pattern[str]:
        """Matches the path of a folder that may hold such a file."""
        return re.compile(r"(?P<above>(?:.*/)?)" + _pattern(self.text.rpartition("/")[0]))

    @cached_property
    def file(self) -> re.Pattern[str]:
        """Matches the file's own name."""
        return re.compile(_pattern(self.text.rpartition("/")[2]))

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields, in their order."""
        return tuple(dict.fromkeys(name for name, _ in _FIELD.findall(self.text)))

    @property
    def example(self) -> str:
        """The folder with the fields' names for what differs: SCENE/color."""
        return _FIELD.sub(lambda found: found[1].upper(), self.text.rpartition("/")[0])

    def filled(self, fields: dict[str, str]) -> str:
        """The path with these fields; of one that is not given, the first of what it may be."""
        return _FIELD.sub(lambda found: fields.get(found[1], (found[2] or "").split("|")[0]), self.text)


@dataclass(frozen=True)
class Places:
    """Where a set has a picture and its target. The fields that both have are the picture's name.

    together: both lie below one folder, whose place below the root belongs to the name, as elsewhere there are others
    of the same fields; a file without its partner is none of the set.
    """

    image: Template
    target: Template
    together: bool = False

    @cached_property
    def name_fields(self) -> tuple[str, ...]:
        """The fields that make up the name, in the picture's order."""
        return tuple(name for name in self.image.fields if name in self.target.fields)


@dataclass(frozen=True)
class PairedSet:
    """A set of pictures, each with a file of its target.

    places: alternatives, where a set was published in several layouts; a folder's files are of the first that they
    fit. read: the target in its file. missing: what to unpack where there is nothing. others: the files that a target
    is read from besides its own. read_image: for pictures that are not read as any other.
    """

    places: tuple[Places, ...]
    read: Callable[[Path], Target]
    missing: str
    others: Callable[[Path], tuple[Path, ...]] = lambda target: ()
    read_image: Callable[[Path], Rgb] | None = None


def read_paired(paired: PairedSet, root: Path) -> list[Entry]:
    """The pictures below root, by name; no matter what folders lie above those that the set itself has.

    A picture that only has its own file or only its target is listed: reading what is missing raises FileError.
    FileError also where there is no picture at all.
    """
    found = [_Found(places, {}, {}) for places in paired.places]
    depth = max(_depth(places) for places in paired.places)
    for folder in _walk(root, depth) if root.is_dir() else ():
        for listing in found:
            if listing.add(folder):
                break
    entries = {entry.name: entry for listing in reversed(found) for entry in listing.entries(paired)}
    require(root, list(entries), paired.places[0].image.example, paired.missing)
    return [entries[name] for name in sorted(entries)]


@dataclass(frozen=True)
class _Folder:
    """A folder as the user named the root, its absolute path and the root's, and its files."""

    path: Path
    absolute: str
    root: str
    files: Sequence[str]

    def below_root(self, above: str) -> tuple[str, ...]:
        """The folders from the root down to that one; none where the root lies within it."""
        path = Path(above)
        return path.relative_to(self.root).parts if path.is_relative_to(self.root) else ()


_Key = tuple[str, ...]
_Paths = dict[_Key, tuple[Path, str]]


@dataclass(frozen=True)
class _Found:
    """The files of one layout by their name fields, each with the folder above the set's own."""

    places: Places
    images: _Paths
    targets: _Paths

    def add(self, folder: _Folder) -> bool:
        """Take those of the folder's files that fit; whether there are any."""
        fits = False
        for template, paths in ((self.places.image, self.images), (self.places.target, self.targets)):
            above = template.folder.fullmatch(folder.absolute)
            if above is None:
                continue
            place = folder.below_root(above["above"]) if self.places.together else ()
            for file in folder.files:
                match = template.file.fullmatch(file)
                if match is not None:
                    fits = True
                    fields = above.groupdict() | match.groupdict()
                    key = (*place, *(fields[name] for name in self.places.name_fields))
                    paths.setdefault(key, (folder.path / file, fields["above"]))
        return fits

    def entries(self, paired: PairedSet) -> Iterator[Entry]:
        """A missing file is taken to lie where its partner's archive says: beside it, or where other pairs have it."""
        paired_keys = self.images.keys() & self.targets.keys()
        pairs = [(self.images[key][1], self.targets[key][1]) for key in paired_keys]
        images_above, targets_above = {target: image for image, target in pairs}, dict(pairs)
        for key in paired_keys if self.places.together else self.images.keys() | self.targets.keys():
            image = self.images.get(key) or self._missing(key, self.places.image, self.targets, images_above)
            target = self.targets.get(key) or self._missing(
                key, self.places.target, self.images, targets_above
            )
            read, others = partial(paired.read, target[0]), paired.others(target[0])
            unpack = None if paired.read_image is None else partial(paired.read_image, image[0])
            yield Entry("/".join(key), image[0], read, unpack, target=target[0], others=others)

    def _missing(
        self, key: _Key, template: Template, partners: _Paths, elsewhere: dict[str, str]
    ) -> tuple[Path, str]:
        beside = partners[key][1]
        above = elsewhere.get(beside, beside)
        fields = dict(zip(self.places.name_fields, key, strict=True))
        return Path(above, template.filled(fields)), above


def _walk(root: Path, depth: int) -> Iterator[_Folder]:
    """The folders below root, links followed; FileError for one that cannot be read."""

    def refuse(error: OSError) -> None:
        raise system_error(error.filename, error) from error

    absolute_root = Path(os.path.abspath(root)).as_posix()
    for path, folders, files in os.walk(root, onerror=refuse, followlinks=True):
        folder = Path(path)
        deepest = len(folder.parts) - len(root.parts) >= depth + _MOST_ABOVE
        folders[:] = [] if deepest else sorted(folders)
        yield _Folder(folder, Path(os.path.abspath(path)).as_posix(), absolute_root, files)


def _depth(places: Places) -> int:
    return max(places.image.text.count("/"), places.target.text.count("/"))


def _pattern(text: str) -> str:
    """The regular expression of a template's part: a field that comes twice must be the same twice."""
    parts, seen, at = [], set[str](), 0
    for field in _FIELD.finditer(text):
        name, kind = field[1], field[2] or "[^/]+"
        parts.append(re.escape(text[at : field.start()]))
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{kind})")
        seen.add(name)
        at = field.end()
    return "".join(parts) + re.escape(text[at:])
