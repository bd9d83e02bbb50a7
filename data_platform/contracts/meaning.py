"""Fingerprint functions by their source, so that a changed rule differs from a reformatted one.

Functions cannot be compared, but their syntax trees can. Layout, comments, docstrings, the
function's name and the Python version make no difference. What it calls or closes over is not seen.
"""

import ast
import hashlib
import inspect
import json
import linecache
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import CodeType

_Function = ast.Lambda | ast.FunctionDef
_Span = tuple[tuple[int, int], tuple[int, int]]  # from and to: line, column


def digest_of(declared: object) -> str:
    """16 hex digits for a declaration of dataclasses (all fields), mappings (in any order), tuples
    and plain values. Pass the `meaning_of` functions instead of the functions."""
    return hashlib.sha256(json.dumps(_said(declared), sort_keys=True).encode()).hexdigest()[:16]


def _said(value: object) -> object:
    if is_dataclass(value):
        named = {field.name: _said(getattr(value, field.name)) for field in fields(value)}
        return [type(value).__name__, named]
    match value:
        case Mapping():
            return {str(name): _said(each) for name, each in value.items()}
        case tuple() | list():
            return [_said(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def meaning_of(function: Callable) -> str:
    """The arguments and body of a lambda or function; "" if there is no source.

    Call it when the function is made: its file may be edited later.
    """
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    if code is None:
        return ""
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename, function.__globals__))
    found = [node for node in _functions(text) if _first_line(node) == code.co_firstlineno]
    places = list(_places(code))
    if len(found) > 1 and places:  # of several lambdas on a line, the innermost that has all places
        found = [node for node in found if _has(node, places)][-1:]
    return "".join(_form([node.args, _body(node)]) for node in found)


@lru_cache(maxsize=64)
def _functions(text: str) -> tuple[_Function, ...]:
    """The functions in a file's text, outer ones before nested ones."""
    try:
        tree = ast.parse(text)
    except SyntaxError:  # a notebook cell with magic commands
        return ()
    return tuple(node for node in ast.walk(tree) if isinstance(node, _Function))


def _first_line(node: _Function) -> int:
    """The first line as code objects have it: that of the first decorator, if any."""
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min(part.lineno for part in (node, *decorators))


def _places(code: CodeType) -> Iterator[_Span]:
    """The source positions of its instructions; none if Python runs with -X no_debug_ranges."""
    for line, last_line, column, last_column in code.co_positions():
        # Entry and exit code have no position.
        if line and last_line and column is not None and last_column:
            yield (line, column), (last_line, last_column)


def _has(node: _Function, places: list[_Span]) -> bool:
    body = node.body if isinstance(node.body, ast.expr) else node
    start, end = (body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)
    return all(start <= first and last <= end for first, last in places)


def _body(node: _Function) -> ast.expr | list[ast.stmt]:
    if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
        return node.body[1:]
    return node.body


def _form(node: object) -> str:
    """Like `ast.dump` without empty fields, which depend on the Python version."""
    match node:
        case ast.AST():
            fields = ((name, value) for name, value in ast.iter_fields(node))
            said = [f"{name}={_form(v)}" for name, v in fields if v is not None and v != []]
            return f"{type(node).__name__}({', '.join(said)})"
        case list():
            return f"[{', '.join(map(_form, node))}]"
    return repr(node)
