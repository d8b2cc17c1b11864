"""The registry: every version of every model, in one folder that several processes may use.

    STORE/NAME/VERSION/card.json     written last; makes the version exist
    STORE/NAME/VERSION/model.keras   and all other files that the card lists
    STORE/NAME/aliases.log           the versions of aliases such as `production`

Version 0 of `fashion-mnist` is the packaged one; it is part of every registry. A backbone is a file
of each version that has it (a hard link of the same one): a folder of shared files needed a case in
every reader and writer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from io import BufferedReader
from pathlib import Path

from shared import atomic_file
from shared.errors import SetupError, no_model
from shared.messages import model_name
from shared.messages.model_card import Card, decode_card, encode_card
from shared.messages.model_name import NAME, PRODUCTION
from shared.messages.replies import Decided
from shared.registry import packaged, version_folder
from shared.registry.alias_log import AliasChange, AliasLog, aliases_after, first_version
from shared.registry.catalog import ModelSource

FIRST = "the first version"  #: why it was promoted
SAME_COMMAND = "run the same command again"
REMEDY = f"make room there or make it writable, and {SAME_COMMAND}"


class Registry(ModelSource):
    """The store in the folder `root`, which need not exist yet.
    Every change raises SetupError if the disk is full or read-only; nothing has changed then."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """Every model with a version, sorted."""
        return [*self.numbers()]

    def numbers(self) -> dict[str, list[int]]:
        every = {name: self.versions(name) for name in self.folders()}
        return {name: versions for name, versions in every.items() if versions}

    def folders(self) -> list[str]:
        """Every model that has or had a version, sorted."""
        names = {name for name in version_folder.folders(self.root) if NAME.fullmatch(name)}
        return sorted(names | {packaged.NAME})

    def versions(self, name: str) -> list[int]:
        """The numbers of a model's versions, rising; empty if there is no such model."""
        first = [packaged.VERSION] if name == packaged.NAME else []
        return first + version_folder.numbers(self.folder(name))

    def existing(self, name: str) -> list[int]:
        """Like `versions`. Raises SetupError if there is none."""
        versions = self.versions(name)
        if not versions:
            raise SetupError(no_model(name, self.names()))
        return versions

    def removed(self, name: str) -> list[int]:
        """Numbers that are taken without a version: it was removed, or is being written."""
        return version_folder.numbers_without_card(self.folder(name))

    def stored_card(self, name: str, version: int) -> Card:
        return version_folder.read_card(self._version(name, version))

    def stored_file(self, card: Card, filename: str) -> bytes:
        return version_folder.read_file(self._version(card.name, card.version), card, filename)

    def opened(self, card: Card, filename: str) -> AbstractContextManager[BufferedReader]:
        """A file of a version that is not packaged, open at its start, verified like `read`."""
        return version_folder.opened(self._version(card.name, card.version), card, filename)

    def check(self, card: Card) -> None:
        """Verify each file of a version. Raises SetupError, which names a damaged one."""
        if packaged.is_packaged(card.name, card.version):
            return
        for filename in card.files:
            with self.opened(card, filename):
                pass

    def stored_sizes(self, card: Card) -> dict[str, int]:
        return version_folder.sizes(self._version(card.name, card.version), card)

    def publish(
        self,
        card: Card,
        files: Mapping[str, bytes],
        *,
        who: str = "",
        confirm: Callable[[], None] = lambda: None,
    ) -> Card:
        """Add a version of `card.name`; returns the card, completed by its number and hashes.

        `confirm` is called right before the card is placed; if it raises, there is no version.
        The first version of a name becomes `production`.

        Raises:
            SetupError: a name is invalid.
            BadMessage: the card could not be read again, as with a figure that is no number.
        """
        for filename in files:
            version_folder.check_filename(filename)
        with self._writing(card.name):
            folder = self.folder(card.name)
            decode_card(encode_card(card))
            folder = version_folder.create(folder)
            card = version_folder.fill(folder, card, files, confirm)
            if PRODUCTION not in self.aliases(card.name):
                self._promote_first(folder, card, who)
        return card

    def remove(self, name: str, version: int) -> None:
        """Delete a version for good; its empty folder stays and reserves the number.

        Raises:
            SetupError: there is no such version, it is packaged, or an alias stands for it.
        """
        if packaged.is_packaged(name, version):
            raise SetupError(f"{name}@{version} is part of Hangtag; name another version")
        folder = self._version(name, version)
        with self._writing(name), AliasLog(self.folder(name)).locked():  # excludes promotions
            if version in self.aliases(name).values():
                raise SetupError(f"{name}@{version} is used by an alias; promote another first")
            version_folder.empty(folder)

    def history(self, name: str) -> list[AliasChange]:
        return AliasLog(self.folder(name)).decisions()

    def promote(
        self,
        name: str,
        version: int,
        *,
        alias: str = PRODUCTION,
        who: str = "",
        why: str = "",
        request: str = "",
        confirm: Callable[[], None] = lambda: None,
    ) -> Decided:
        """Point `alias` at `version`, unless it does already. With a `request`'s mark, only once.

        `confirm` is called right before, while aliases are locked; it may raise.

        Raises:
            SetupError: there is no such version, or the alias is invalid.
        """
        self._check(name, version)  # before a log is created
        with self._writing(name), AliasLog(self.folder(name)).locked() as log:
            if done := self.decided(name, request):
                return done
            if self.aliases(name).get(alias) == version:
                why = f"{name}@{alias} is version {version} already"
                return Decided(alias, version, version, changed=False, why=why)
            self._check(name, version)
            confirm()
            return self._decided(name, log.append(alias, version, "promote", who, why, request))

    def rollback(
        self,
        name: str,
        *,
        alias: str = PRODUCTION,
        who: str = "",
        why: str = "",
        request: str = "",
        confirm: Callable[[], None] = lambda: None,
    ) -> Decided:
        """Undo the last promotion; a second call undoes the one before.
        `request` and `confirm` as in `promote`.

        Raises:
            SetupError: there is no previous version, or it was removed.
        """
        if alias not in self.aliases(name):
            raise SetupError(self.missing(name, alias))
        with self._writing(name), AliasLog(self.folder(name)).locked() as log:
            if done := self.decided(name, request):
                return done
            version = log.previous(alias, first_version(name, alias))
            if version is None:
                raise SetupError(
                    f"{name}@{alias} has no promotion to take back; name a version to promote"
                )
            self._check(name, version)
            confirm()
            return self._decided(name, log.append(alias, version, "rollback", who, why, request))

    def decided(self, name: str, request: str) -> Decided | None:
        """The decision that the request with this mark has made; None for an empty mark."""
        changes = (change for change in self.history(name) if request == change.request)
        change = next(changes, None) if request else None
        return None if change is None else self._decided(name, change)

    def _decided(self, name: str, change: AliasChange) -> Decided:
        history = self.history(name)
        earlier = history[: len(history) - 1 - history[::-1].index(change)]
        before = aliases_after(name, earlier).get(change.alias)
        return Decided(change.alias, change.version, before, changed=True, why=change.why)

    def previous(self, name: str, alias: str) -> int | None:
        """The version that a rollback leads to; None if there is none."""
        return AliasLog(self.folder(name)).previous(alias, first_version(name, alias))

    def folder(self, name: str) -> Path:
        """The folder of a model's versions, if there are any.

        Raises:
            SetupError: the name is invalid, or the folder is a symbolic link.
        """
        model_name.checked(name)
        if (self.root / name).is_symlink():
            raise SetupError(f"{self.root / name} is a symbolic link; put a folder in its place")
        return self.root / name

    def _promote_first(self, folder: Path, card: Card, who: str) -> None:
        """Promote a first version; delete it if that fails. Raises OSError."""
        try:
            with AliasLog(folder.parent).locked() as log:
                if PRODUCTION not in self.aliases(card.name):
                    log.append(PRODUCTION, card.version, "promote", who, FIRST, card.request)
        except OSError:
            version_folder.empty(folder)
            raise

    def _writing(self, name: str) -> AbstractContextManager[None]:
        return atomic_file.writing(self.folder(name), REMEDY)

    def _version(self, name: str, version: int) -> Path:
        self._check(name, version)
        return self.folder(name) / str(version)

    def _check(self, name: str, version: int) -> None:
        if version not in self.versions(name):
            raise SetupError(self.missing(name, version))
