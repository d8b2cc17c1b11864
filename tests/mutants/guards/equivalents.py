"""Mutants of guards without an observable effect, and the reason; all others are killed."""

from __future__ import annotations

EQUIVALENT = {
    "producer/job/columns.py: displayed_label.codes: not not_accepted -> False": (
        "the same codes are copied, which only takes longer"
    ),
    "producer/job/columns.py: _label.codes: not batch.failed -> False": (
        "the same labels are copied, which only takes longer"
    ),
    "producer/job/folder_labels.py: FolderLabels.of_rows: batch.is_of_one_folder -> False": (
        "the folder of each row is looked up, which only takes longer"
    ),
    "producer/job/journal_lock.py: _lock: file_lock.try_acquire(fd) -> False": (
        "a free lock is shared first and then acquired, which only takes longer"
    ),
    "producer/job/row_batch.py: fold: name != 'digests' -> True": (
        "no reader takes digests from a stored result, where they only take more bytes"
    ),
    "producer/job/snapshot.py: read_snapshot: is_formed(output) -> True": (
        "a next journal that is not there cannot be read either, which only takes longer to find"
    ),
    "producer/people/table_decisions.py: TableDecisions._made: sha256 not in rows -> True": (
        "the copies of a file are the same each time; they are looked for again, which takes longer"
    ),
    "producer/sources/lists.py: check_line: _ADDRESS_MARK not in line -> False": (
        "a line without it is no address, which only takes longer to find"
    ),
    "producer/run/new_files.py: _counts: finished -> False": (
        "all new files are counted before the first number is displayed"
    ),
    "producer/run/changes.py: Changes._is_young: self._files.path(name) is None -> False": (
        "the hashed tag of an image without a file lies in the last two seconds once in 5e9 images"
    ),
    "producer/run/new_files.py: _counts: finished -> False (2)": (
        "all new files are counted before the first number is displayed"
    ),
    "producer/sources/compared.py: PresentFiles.__iter__: stamp != NO_STAMP -> False": (
        "a file with a stamp is not missing, which only takes longer to find"
    ),
    "producer/sources/compared.py: PresentFiles.is_absent: stamp == NO_STAMP -> True": (
        "a file with a stamp is not missing, which only takes longer to find"
    ),
    "producer/sources/compared.py: _RowsByName._indexed_row: self._last is not None and "
    "self._last.record.n == n -> False": "the batch is read again, which only takes longer",
    "producer/sources/compared.py: _RowsByName._next_row: last is not None and last.i + 1 < "
    "len(last.rows) -> False": "the row is found by the index of names, which only takes longer",
    "producer/sources/compared.py: _RowsByName.row_of_file: "
    "row.rows.names[row.i] != name -> True": (
        "the row is found by the index of names, which only takes longer"
    ),
    "producer/run/new_files.py: _position: not sources.has_others -> False": (
        "no image has an order of its own, which only takes longer to find"
    ),
    "producer/sources/remote/checked_network.py: is_local: address.is_unspecified -> False": (
        "0.0.0.0 lies in 0.0.0.0/8, and is a form of ::"
    ),
    "producer/sources/remote/remote_source.py: ListedAddresses.close: self._lock -> no lock": (
        "a list that another thread opens meanwhile is closed with its source, only later"
    ),
    "producer/sources/remote/s3_client.py: S3Client._credentials: self._lock -> no lock": (
        "each thread finds the same credentials, which only takes longer"
    ),
    "producer/sources/remote/web_client.py: _failure_reason: type(error).__name__ -> False": (
        "all that the network raises has a text"
    ),
    "producer/sources/remote/web_source.py: WebSource._other_that_answers: "
    "self._searched_s > since -> False": (
        "each thread asks the same addresses again, which only takes longer"
    ),
    "producer/run/update.py: _rows: wanted.keys().isdisjoint(batch.names) -> False": (
        "no row of the batch has changed, which only takes longer to find"
    ),
    "producer/sources/archives/archive.py: MemberIndex.find: "
    "self._name(self._entries[at]) != name -> True": (
        "a member that follows the last one is searched like any other, which only takes longer"
    ),
    "producer/sources/archives/archive.py: row_path: fits(name) -> False": (
        "a name that fits is put together again, which only takes longer"
    ),
    "producer/sources/archives/gzip_archive.py: GzipTape._unpacked: most <= HEAD_BYTES -> True": (
        "the end of a buffer is kept before a large read, too, which only takes longer"
    ),
    "producer/sources/archives/tar_archive.py: _checksums: block.isascii() -> False": (
        "both sums of a block without high bytes are the same, which only takes longer"
    ),
    "producer/sources/folder_walk.py: FolderWalk._why_skipped: "
    "why is not None or self._selection.has_globs -> True": (
        "no other entry is an own file, which only takes longer to find"
    ),
    "producer/sources/lists.py: kinds_in_list: _ADDRESS_MARK in line -> True": (
        "a line without it is a file, which only takes longer to find"
    ),
    "producer/sources/archives/tar_archive.py: TarArchive._resolved: "
    "member.kind is not HARD_LINK -> False": (
        "the header at its own place is read again, which takes a third longer for a whole archive"
    ),
    "producer/run/changes.py: Changes.stretches: file[1] != rows.stamps[i] -> True": (
        "a row whose file is the same stays, which is found only later"
    ),
    "producer/run/changes.py: Changes.stretches: file is not None -> True": (
        "where there is no row, there is a file"
    ),
    "producer/run/changes.py: Changes._of_absent: stamp == rows.stamps[i] -> False": (
        "the file is read again, which only takes longer"
    ),
    "producer/sources/row_files.py: RowFiles.read: not self.sources.has_others -> False": (
        "a job of files alone finds them under the lock, too, only later"
    ),
    "producer/sorting/undo.py: Originals._above: self._archive and "
    "path.startswith(self._archive + b'/') -> False": "the same archive is found again, only later",
    "producer/sorting/undo.py: Originals._above: os.path.isdir(folder) -> False": (
        "a folder is no source of another kind, which the next line finds, too, only later"
    ),
    "producer/sorting/placing.py: completed: not copied -> False": (
        "the folders are synced again with nothing new, which only takes longer"
    ),
    "producer/sorting/folders.py: same_bytes: os.path.sameopenfile(first, second) -> False": (
        "two names of one file have the same bytes, which only takes longer to find"
    ),
    "producer/sorting/plan.py: Plan._is_elsewhere: others -> True": (
        "each row of a job of files has a path, which is found only later"
    ),
    "shared/registry/registry.py: Registry.publish: PRODUCTION not in self.aliases(card.name) "
    "-> True": "_promote_first compares again, under the lock",
    "shared/registry/version_folder.py: is_half_removed: path.name not in cards -> True": (
        "where all files are cards, the second condition is false"
    ),
    "producer/people/folder_images.py: FolderImages.file: known is not None and "
    "stamp(os.stat(self._features.paths[image])) == known.stamp -> False": (
        "the file is read again, which only takes longer"
    ),
    "producer/people/folder_images.py: FolderImages.file: "
    "stamp(os.stat(self._features.paths[image])) == known.stamp -> False": (
        "the file is read again, which only takes longer"
    ),
    "shared/labels/labels_so_far.py: RowLabels.sha256: "
    "all((line.sha256 == last.sha256 for line in lines)) -> False": (
        "of lines about one image each leads to it; the path is read, which only takes longer"
    ),
    "shared/labels/labels_so_far.py: RowLabels.sha256: line.sha256 == last.sha256 -> False": (
        "of lines about one image each leads to it; the path is read, which only takes longer"
    ),
    "shared/labels/line_log.py: LineFollower._check_same: info.st_ino == self._inode -> False": (
        "all that was read is compared instead of its end, which only takes longer"
    ),
    "shared/labels/line_log.py: _next_number: number is not None -> False": (
        "the lines of a log are as many as the last number says; to count them only takes longer"
    ),
    "shared/labels/numbered_line.py: opened: place < 0 -> True": (
        "a line in which a number was found has the name, too, which only takes longer to find"
    ),
    "shared/ledger/request_store.py: RequestFolder.submit: known is None -> True": (
        "a stored request is read again under the lock, which only takes longer"
    ),
    "worker/decoding/decode.py: decode_into: not decode_fast([data], spec, out[np.newaxis]) "
    "-> False": "the general path gives the same pixels, which only takes longer",
    "worker/decoding/garment.py: in_form: pixels.item(0) <= DARK >= pixels.item(-1) -> False": (
        "the corners are counted, which only takes longer"
    ),
    "worker/decoding/garment.py: find_background: (apart <= NEAR).mean() >= EVEN_SHARE -> False": (
        "a level plane is subtracted from an even background, which only takes longer"
    ),
    "worker/decoding/jpeg.py: _segments: marker is None -> False": (
        "an error of another class, which is as unreadable"
    ),
    "worker/decoding/letterbox.py: shrunk: decoded.size == size -> False": (
        "an image of the right size is resized to it, which only takes longer"
    ),
    "worker/decoding/letterbox.py: reduced: part is image and by == (1, 1) -> False": (
        "the image is put together again from one part, which only takes longer"
    ),
    "worker/decoding/letterbox.py: _parts: image.width <= width and image.height <= height "
    "-> False": "the only part is a copy of the image, which only takes longer",
    "worker/heads/linear_head.py: minimize: norm < TOLERANCE -> False": (
        "the point stays where it is but for rounding, which only takes longer"
    ),
    "worker/labelling/fitted.py: Fitted.unlearned: not len(out) -> False": (
        "a head that is asked about no image changes no guess; to fit it only takes longer"
    ),
    "worker/labelling/fitted.py: fit: len(known) < MANY -> True": (
        "ten folds measure as well as five do, and take twice as long"
    ),
    "worker/labelling/fitted.py: fit: len(known) < MANY -> False": (
        "five folds of few images measure nearly as well"
    ),
    "worker/labelling/kmeans.py: kmeans: (of == before).all() -> False": (
        "centres that do not move stay where they are, only for more steps"
    ),
    "producer/table/check_files.py: _moved_problem: stamp != row.stamp -> True": (
        "the content of a file with the right stamp is right, too, or is not compared by what "
        "follows; to read it only takes longer"
    ),
    "producer/table/check_rows.py: table_problems: file == sha256 == sealed.sha256 -> False": (
        "the rows of a table with the right bytes have no problem, which only takes longer to find"
    ),
    "producer/table/person_labels.py: PersonLabels.excluded: "
    "self._excluding.isdisjoint(batch.contents) -> False": (
        "a mask without a mark changes no row, as no mask does, which only takes longer"
    ),
    "producer/table/promise.py: own_model_command: not name -> False": (
        "no model has an empty name, which only takes longer to find"
    ),
    "producer/table/text_format.py: TextFormat._names: plain is not None -> False": (
        "names without anything to escape are the same cells, which only take longer"
    ),
    "producer/table/text_format.py: _merged: cells == '' -> False": (
        "an empty text is put into each line, which only takes longer"
    ),
    "producer/table/text_format.py: _texts: isinstance(codes, bytes) and "
    "codes.count(codes[0]) == len(codes) -> False": (
        "the text that all rows have is looked up for each of them, which only takes longer"
    ),
    "producer/table/text_format.py: _texts: isinstance(codes, bytes) -> True": (
        "codes that are seldom the same are counted, too, which only takes longer"
    ),
    "producer/table/xlsx.py: Xlsx._style: style -> True": (
        "an empty cell without a style is written, too, which only takes more bytes"
    ),
    "producer/run/file_transport.py: _alone: sys.platform == 'linux' -> True": (
        "on another system a worker opens no file that was referred to, and gets the bytes later"
    ),
    "producer/run/batcher.py: Batcher._form: one_pass -> True": (
        "no file is of an archive that is unpacked once; files are read ahead one by one, which "
        "only takes longer"
    ),
    "producer/run/connect.py: Connector._pause: time.monotonic() > self._deadline -> False": (
        "the limit of the waits ends the next pause with the same words; a --timeout of less than "
        "three seconds only takes that long"
    ),
    "producer/run/follow.py: _follow: view is None -> True": (
        "a job that was read has a journal, which the next condition finds, too"
    ),
    "producer/run/loop.py: DispatchLoop._outcome: self._end is not None -> True": (
        "a loop that has ended for no reason of its own is complete"
    ),
    "producer/run/loop.py: DispatchLoop._polled: not write_refusal(error) -> False": (
        "the same error is raised after the exchange, which only takes longer"
    ),
    "producer/run/loop.py: DispatchLoop._turn: time.monotonic() >= self._poll_due -> True": (
        "the server is polled in each turn, which only takes longer"
    ),
    "producer/run/loop.py: DispatchLoop._next_batches: self._waits.is_ending -> False": (
        "the batches of this turn are formed and stay in the journal, which only takes longer"
    ),
    "producer/run/loop_report.py: FileCount.unstored: self.total is None -> False": (
        "as long as no total is known, none is stored, and they are the same"
    ),
    "producer/run/reconciler.py: Reconciler._hint_orphans: not orphans -> False": (
        "the hints in the queue are counted for no batch, which only takes longer"
    ),
    "producer/run/reconciler.py: Reconciler._offer_again: known != frozen.digests -> True": (
        "the same digests are stored again, which only takes longer"
    ),
    "producer/run/reconciler.py: Reconciler._repair: not write_refusal(error) -> False": (
        "the error is raised after the other batches were tried, which only takes longer"
    ),
}
