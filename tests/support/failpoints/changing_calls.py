"""Finds calls in source text that change files, Redis or other processes."""

from __future__ import annotations

import ast
import re

#: Functions and methods of any object that change something.
_ANY = {
    "chmod", "copyfile", "decr", "delete", "executescript", "execv", "execve", "expire", "fchmod",
    "flushall", "flushdb", "fork", "fsync", "ftruncate", "getdel", "hdel", "hincrby", "hset",
    "hsetnx", "incr", "incrby", "kill", "killpg", "link", "lmove", "lpop", "lpush", "lrem", "ltrim",
    "makedirs", "mkdir", "mkdtemp", "mkstemp", "mset", "pexpire", "persist", "Popen", "psetex",
    "pwrite", "rename", "rmdir", "rmtree", "rpop", "rpush", "sadd", "save", "savez", "send_task",
    "setbit", "setex", "setnx", "spop", "srem", "symlink", "symlink_to", "terminate", "touch",
    "transaction", "truncate", "unlink", "write", "write_bytes", "write_text", "writelines", "xadd",
    "xdel", "xtrim", "zadd", "zincrby", "zrem", "zremrangebyscore",
}  # fmt: skip
#: Functions of these modules that change something; other objects have methods of these names.
MODULES = {
    "atomic_file": {"create", "created", "make_folder", "place"},
    "os": {"chown", "remove", "removedirs", "renames", "replace", "system", "utime"},
    "shutil": {"copy", "copy2", "copytree", "move", "unpack_archive"},
    "subprocess": {"call", "check_call", "check_output", "run"},
    "tempfile": {"NamedTemporaryFile"},
}
#: SQL that changes nothing.
_READS = re.compile(r"\s*(?i:PRAGMA|ROLLBACK|SELECT)\b")
#: Modes and flags of `open` that create a file or write to it.
_WRITING = re.compile(
    r"O_APPEND|O_CREAT|O_RDWR|O_TRUNC|O_WRONLY|'[rbt+]*[wax][rbt+]*'|'r[bt]*\+[bt]*'"
)


def changes(tree: ast.AST) -> bool:
    """Whether the tree contains such a call."""
    return any(isinstance(node, ast.Call) and _changes(node) for node in ast.walk(tree))


def _changes(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id == "open" and _opens_to_write(call)
    if not isinstance(call.func, ast.Attribute):
        return False
    name, of = call.func.attr, ast.unparse(call.func.value)
    if name in _ANY or name in MODULES.get(of, ()):
        return True
    match name:
        case "open":
            return _opens_to_write(call)
        case "execute" | "executemany":
            return _changes_rows(call)
        case "replace":  # Path.replace has one argument, str.replace two or three
            return len(call.args) == 1 and not call.keywords and not of.endswith("structs")
        case "set":  # Redis' takes a key and a value, Event.set nothing, Axes.set keywords
            return len(call.args) >= 2
        case "publish":  # Redis' takes a channel and a message
            return len(call.args) == 2 and not call.keywords
    return False


def _changes_rows(call: ast.Call) -> bool:
    """A pipeline's `execute` has no arguments. SQL that is not a constant may change rows."""
    if not call.args:
        return False
    text = call.args[0].values[0] if isinstance(call.args[0], ast.JoinedStr) else call.args[0]
    return not (isinstance(text, ast.Constant) and _READS.match(str(text.value)))


def _opens_to_write(call: ast.Call) -> bool:
    given = (*call.args, *(keyword.value for keyword in call.keywords))
    return any(_WRITING.search(ast.unparse(one)) for one in given)
