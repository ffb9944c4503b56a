"""What a mutant is: one small, wrong change of a module, of the kinds that a tired hand makes.

Rules
-----
1. A mutant changes one place of the syntax tree by one row of `OPERATORS`. What only people read
   (annotations, docstrings, words) and what only catches our own mistakes (assert, a strict zip)
   stays as it is.
2. It is named by its scope and by what a reader would see, not by its line: `Silence.rung: if
   [age < x -> age <= x]`. So a table of mutants outlives whatever is written above them.
3. The same source gives the same mutants in the same order.

Two kinds must each be killed by a test that is named for it: a row of a table (`ROW`) and, in
`GUARDED` files, a check that refuses (`GUARD`).
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from types import CodeType
from typing import NamedTuple


class Kind(Enum):
    """What a mutant breaks."""

    CHANGE = "change"
    ROW = "row"  #: a table without one of its rows
    GUARD = "guard"  #: a check that lets everything pass


class Site(NamedTuple):
    """One node of a tree, where it hangs, and what stands around it.

    Parameters
    ----------
    parent, field, at : `parent.field`, or `parent.field[at]`, is the node
    scope : classes and functions around it, by name
    statement : the innermost statement around it, or the node itself
    function : the innermost function around it
    table : name of what the module defines by the statement around it
    """

    node: ast.AST
    parent: ast.AST
    field: str
    at: int | None
    scope: str
    statement: ast.stmt
    function: ast.FunctionDef | None
    table: str | None

    def put(self, node: ast.AST) -> None:
        """Hang another node there."""
        if self.at is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.at] = node


class Mutant(NamedTuple):
    """One change of one file.

    Parameters
    ----------
    lines : those of the statement that it changes: who runs them may notice
    """

    file: str
    name: str
    kind: Kind
    lines: range
    site: Site
    new: ast.AST
    tree: ast.Module

    def code(self) -> CodeType:
        """Compile the file as the mutant has it. The tree is spoilt: one process, one mutant."""
        self.site.put(self.new)
        return compile(ast.fix_missing_locations(self.tree), self.file, "exec")

    def statement(self) -> tuple[str, str]:
        """Write the statement as it is and as the mutant has it."""
        before = ast.unparse(self.site.statement)
        if self.site.statement is self.site.node:
            return before, ast.unparse(self.new)
        self.site.put(self.new)
        after = ast.unparse(self.site.statement)
        self.site.put(self.site.node)
        return before, after


Made = tuple[Kind, ast.AST]
Members = dict[str, list[str]]


def mutants(root: Path, file: str, members: Members, *, guarded: bool = False) -> list[Mutant]:
    """List the mutants of a file, in the order of its text.

    Parameters
    ----------
    members : names of the members of each enumeration, in order (`members_of`)
    guarded : its refusing checks are guards
    """
    tree = ast.parse((root / file).read_text())
    found: list[Mutant] = []
    names: Counter[str] = Counter()
    for site in sites(tree):
        for kind, new in _made(site, members):
            name = _name(site, new, kind)
            names[name] += 1
            if names[name] > 1:
                name = f"{name} #{names[name]}"
            kind = kind if guarded or kind is Kind.ROW else Kind.CHANGE
            found.append(Mutant(file, name, kind, _lines(site.statement), site, new, tree))
    return found


def members_of(root: Path, files: tuple[str, ...]) -> Members:
    """Find the enumerations that files define: what may be mistaken for its neighbour."""
    members: Members = {}
    for file in files:
        for node in ast.walk(ast.parse((root / file).read_text())):
            if isinstance(node, ast.ClassDef) and any(
                isinstance(base, ast.Name) and base.id.endswith("Enum") for base in node.bases
            ):
                names = [n.targets[0] for n in node.body if isinstance(n, ast.Assign)]
                members[node.name] = [n.id for n in names if isinstance(n, ast.Name)]
    return members


# Where ---------------------------------------------------------------------------------------

_UNREAD = {"annotation", "returns", "decorator_list", "bases", "type_comment", "type_ignores"}
_UNTOUCHED = (ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)


def sites(tree: ast.Module) -> Iterator[Site]:
    """Walk over all that a mutant may change."""
    nobody = ast.Pass(lineno=1, end_lineno=1)
    stack = [Site(tree, tree, "", None, "", nobody, None, None)]
    while stack:
        site = stack.pop()
        yield site
        stack.extend(reversed(list(_below(site))))


def _below(site: Site) -> Iterator[Site]:
    node, scope, function = site.node, site.scope, site.function
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        scope = f"{scope}.{node.name}" if scope else node.name
    if isinstance(node, ast.FunctionDef):
        function = node
    for field, value in ast.iter_fields(node):
        if field in _UNREAD:
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if isinstance(child, ast.keyword) and child.arg == "strict":
                continue
            if isinstance(child, ast.AST) and not isinstance(child, _UNTOUCHED):
                statement = child if isinstance(child, ast.stmt) else site.statement
                table = site.table
                if isinstance(node, ast.Module):
                    table = _table(child)
                yield Site(child, node, field, index, scope, statement, function, table)


def _table(statement: ast.AST) -> str | None:
    """Tell which name a statement of the module defines, if it does."""
    target = None
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign):
        target = statement.target
    return target.id if isinstance(target, ast.Name) else None


# What ----------------------------------------------------------------------------------------


def _made(site: Site, members: Members) -> Iterator[Made]:
    for operator in OPERATORS.get(type(site.node), ()):
        yield from operator(site)
    if site.field == "test" or (site.field == "ifs" and isinstance(site.parent, ast.comprehension)):
        yield from _condition(site)
    if isinstance(site.node, ast.Attribute):
        yield from _neighbour(site.node, members)


_OTHER: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_OTHER_NAME = {
    "min": "max",
    "max": "min",
    "all": "any",
    "any": "all",
    "ceil": "floor",
    "floor": "ceil",
}


def _compare(site: Site) -> Iterator[Made]:
    assert isinstance(site.node, ast.Compare)
    left, ops, right = site.node.left, site.node.ops, site.node.comparators
    for k, op in enumerate(ops):
        other: list[ast.cmpop] = [*ops[:k], _OTHER[type(op)](), *ops[k + 1 :]]  # type: ignore[list-item]
        yield Kind.CHANGE, ast.Compare(left, other, right)


def _either(site: Site) -> Iterator[Made]:
    """Give `a or b` for `a and b`, and the expression without each of its operands."""
    assert isinstance(site.node, ast.BoolOp)
    op, values = site.node.op, site.node.values
    yield Kind.CHANGE, ast.BoolOp(_OTHER[type(op)](), values)  # type: ignore[arg-type]
    for k in range(len(values)):
        rest = values[:k] + values[k + 1 :]
        yield Kind.GUARD, rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)


def _unary(site: Site) -> Iterator[Made]:
    assert isinstance(site.node, ast.UnaryOp)
    yield Kind.CHANGE, site.node.operand


def _arithmetic(site: Site) -> Iterator[Made]:
    node = site.node
    assert isinstance(node, ast.BinOp | ast.AugAssign)
    other = _OTHER.get(type(node.op))
    if other is None:
        return
    if isinstance(node, ast.BinOp):
        yield Kind.CHANGE, ast.BinOp(node.left, other(), node.right)  # type: ignore[arg-type]
    else:
        yield Kind.CHANGE, ast.AugAssign(node.target, other(), node.value)  # type: ignore[arg-type]


def _constant(site: Site) -> Iterator[Made]:
    assert isinstance(site.node, ast.Constant)
    value = site.node.value
    if isinstance(value, bool):
        yield Kind.CHANGE, ast.Constant(not value)
    elif isinstance(value, int):
        yield Kind.CHANGE, ast.Constant(value + 1)
        if (
            site.function is not None or site.table is not None
        ):  # of a member's number, one is enough
            yield Kind.CHANGE, ast.Constant(value - 1)
    elif isinstance(value, float):
        yield Kind.CHANGE, ast.Constant(2.0 * value if value else 1.0)


def _name_of_another(site: Site) -> Iterator[Made]:
    """Give max for min, any for all, floor for ceil."""
    node = site.node
    if isinstance(node, ast.Name) and node.id in _OTHER_NAME:
        yield Kind.CHANGE, ast.Name(_OTHER_NAME[node.id], node.ctx)
    elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("math.ceil", "math.floor"):
        yield Kind.CHANGE, ast.Attribute(node.value, _OTHER_NAME[node.attr], node.ctx)


def _neighbour(node: ast.Attribute, members: Members) -> Iterator[Made]:
    """Give the next member of the same enumeration, or of the last the one before."""
    if not (isinstance(node.value, ast.Name) and node.value.id in members):
        return
    names = members[node.value.id]
    if node.attr in names and len(names) > 1:
        at = names.index(node.attr)
        other = names[at + 1] if at + 1 < len(names) else names[at - 1]
        yield Kind.CHANGE, ast.Attribute(node.value, other, node.ctx)


def _condition(site: Site) -> Iterator[Made]:
    """Give a condition that always holds, and one that never does."""
    if isinstance(site.node, ast.Constant):
        return
    if not isinstance(site.parent, ast.While):  # without end
        yield Kind.CHANGE, ast.Constant(True)
    refuses = isinstance(site.parent, ast.If) and isinstance(
        site.parent.body[-1], ast.Return | ast.Raise
    )
    yield Kind.GUARD if refuses else Kind.CHANGE, ast.Constant(False)


def _nothing(site: Site) -> Iterator[Made]:
    """Leave out a statement whose only trace is what it does."""
    node = site.node
    if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Call):
        return
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return
    if site.function is not None:
        yield Kind.CHANGE, ast.Pass()


def _return(site: Site) -> Iterator[Made]:
    """Give the opposite of a truth, and nothing where nothing may be given."""
    assert isinstance(site.node, ast.Return)
    assert site.function is not None
    value, kind = site.node.value, site.function.returns
    says = ast.unparse(kind) if kind is not None else ""
    if value is None:
        yield Kind.CHANGE, ast.Pass()
    elif says == "bool" and not isinstance(value, ast.Constant):
        yield Kind.CHANGE, ast.Return(ast.UnaryOp(ast.Not(), value))
    elif says.endswith("None") and not isinstance(value, ast.Constant):
        yield Kind.CHANGE, ast.Return(ast.Constant(None))


def _uncaught(site: Site) -> Iterator[Made]:
    """Let an error pass that was to be turned into a refusal."""
    assert isinstance(site.node, ast.ExceptHandler)
    handler = site.node
    yield Kind.GUARD, ast.ExceptHandler(handler.type, handler.name, [ast.Raise()])


def _row(site: Site) -> Iterator[Made]:
    """Leave out a row of a table of the module."""
    node = site.node
    if site.table is None or not site.table.isupper() or isinstance(site.parent, ast.Subscript):
        return
    if isinstance(node, ast.Dict):
        for k in range(len(node.keys)):
            keys = node.keys[:k] + node.keys[k + 1 :]
            yield Kind.ROW, ast.Dict(keys, node.values[:k] + node.values[k + 1 :])
    elif isinstance(node, ast.Tuple | ast.List):
        for k in range(len(node.elts)):
            yield Kind.ROW, type(node)(node.elts[:k] + node.elts[k + 1 :], node.ctx)
    elif isinstance(node, ast.Set):
        for k in range(len(node.elts)):
            yield Kind.ROW, ast.Set(node.elts[:k] + node.elts[k + 1 :])


Operator = Callable[[Site], Iterator[Made]]
OPERATORS: dict[type[ast.AST], tuple[Operator, ...]] = {
    ast.Compare: (_compare,),
    ast.BoolOp: (_either,),
    ast.UnaryOp: (_unary,),
    ast.BinOp: (_arithmetic,),
    ast.AugAssign: (_arithmetic, _nothing),
    ast.Constant: (_constant,),
    ast.Name: (_name_of_another,),
    ast.Attribute: (_name_of_another,),
    ast.Expr: (_nothing,),
    ast.Assign: (_nothing,),
    ast.AnnAssign: (_nothing,),
    ast.Raise: (_nothing,),
    ast.Continue: (_nothing,),
    ast.Break: (_nothing,),
    ast.Return: (_return,),
    ast.ExceptHandler: (_uncaught,),
    ast.Dict: (_row,),
    ast.Tuple: (_row,),
    ast.List: (_row,),
    ast.Set: (_row,),
}

# Its name ------------------------------------------------------------------------------------

_MARK = "__here__"
_AROUND = 24
_WORDS_MAX = 70


def _name(site: Site, new: ast.AST, kind: Kind) -> str:
    scope = site.scope or site.table or "module"
    if kind is Kind.ROW:
        return f"{scope}: without {_missing(site.node, new)}"
    old, words = _short(ast.unparse(site.node)), _short(ast.unparse(new))
    if isinstance(site.node, ast.stmt | ast.ExceptHandler):
        return f"{scope}: [{old} -> {words}]"
    site.put(ast.Name(_MARK, ast.Load()))
    before, _, after = _head(site.statement).partition(_MARK)
    site.put(site.node)
    if len(before) > _AROUND:
        before = f"..{before[-_AROUND:].lstrip()}"
    if len(after) > _AROUND:
        after = f"{after[:_AROUND].rstrip()}.."
    return f"{scope}: {before}[{old} -> {words}]{after}"


def _missing(old: ast.AST, new: ast.AST) -> str:
    """Write the row that a table has lost."""
    if isinstance(old, ast.Dict) and isinstance(new, ast.Dict):
        (key,) = [k for k in old.keys if k not in new.keys]
        value = old.values[old.keys.index(key)]
        return _short(f"{ast.unparse(key) if key else '**'}: {ast.unparse(value)}")
    assert isinstance(old, ast.Tuple | ast.List | ast.Set)
    assert isinstance(new, ast.Tuple | ast.List | ast.Set)
    (row,) = [e for e in old.elts if e not in new.elts]
    return _short(ast.unparse(row))


def _head(statement: ast.stmt) -> str:
    """Write a statement without what stands below it."""
    if not hasattr(statement, "body"):
        return ast.unparse(statement)
    fields = dict(ast.iter_fields(statement))
    fields |= {"body": [ast.Pass()]} | {name: [] for name in ("orelse",) if name in fields}
    fields |= {"decorator_list": []} if "decorator_list" in fields else {}
    head = type(statement)(**fields, lineno=statement.lineno, col_offset=0)
    return ast.unparse(head).removesuffix("\n    pass").removesuffix(":")


def _short(words: str) -> str:
    words = " ".join(words.split())
    half = _WORDS_MAX // 2
    return words if len(words) <= _WORDS_MAX else f"{words[:half]}..{words[-half:]}"


def _lines(statement: ast.stmt) -> range:
    body = getattr(statement, "body", None)
    end = body[0].lineno - 1 if body else statement.end_lineno or statement.lineno
    return range(statement.lineno, max(end, statement.lineno) + 1)
