"""What a class of an author declares, checked when the class is made; and attributes that only the engine sets."""

import re
from collections.abc import Mapping
from types import FunctionType
from typing import Any, ClassVar, TypeVar, cast

from orchestrator.errors import UserError

#: Declared tuples of names.
TUPLES = ("kinds", "needs", "scores", "libraries", "persistent")
#: Declared whole numbers.
WHOLE = ("version", "fewest_agents")
#: Declared mappings of names to words, and an example of each.
MAPPINGS = {"metrics": "{'error': 'distance to the optimum'}", "labels": "{'error': 'distance'}"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*")


class Declared:
    """Base of what authors derive from.

    A declaration that makes no sense raises ``UserError`` when the class is made, so when its file is loaded.
    """

    #: Attributes that the engine sets once. Setting one of them again raises ``AttributeError``.
    engine_sets: ClassVar[frozenset[str]] = frozenset()
    #: Attributes of the class that authors declare.
    declares: ClassVar[tuple[str, ...]] = ()
    #: The arguments of ``__init__``, for the message about a subclass that does not call it.
    built_from: ClassVar[str] = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check_declared(cls)

    def __setattr__(self, name: str, value: object) -> None:
        cls = type(self)
        if isinstance(getattr(cls, name, None), FunctionType):
            raise AttributeError(f"{name} is a method of {cls.__name__}; give the attribute another name")
        if name in cls.engine_sets and (name in self.__dict__ or hasattr(cls, name)):
            raise AttributeError(f"{name} of {cls.__name__} is set by the engine; give the attribute another name")
        super().__setattr__(name, value)


Made = TypeVar("Made", bound=Declared)


def assign(target: Declared, name: str, value: object) -> None:
    """Set an attribute that only the engine sets."""
    vars(target)[name] = value


def built(cls: type[Made], *arguments: object) -> Made:
    """``cls(*arguments)``. Raises ``UserError`` for a class whose ``__init__`` does not call that of its base."""
    try:
        made = cls(*arguments)
    except AttributeError as error:
        if isinstance(error.obj, cls) and error.name in cls.engine_sets and error.name not in vars(error.obj):
            raise UserError(f"{_uninitialised(cls)}.") from error
        raise
    if any(name not in vars(made) and not hasattr(cls, name) for name in cls.engine_sets):
        raise UserError(f"{_uninitialised(cls)}.")
    return made


def _uninitialised(cls: type[Declared]) -> str:
    return f"{cls.__name__}.__init__ has to call super().__init__({cls.built_from})"


def check_declared(cls: type[Declared]) -> None:
    """Raises ``UserError`` for a declaration of the class itself that is of the wrong type or names what it may not."""
    own = {name: value for name, value in vars(cls).items() if name in cls.declares and not hasattr(value, "__get__")}
    named = getattr(cls, "name", None)
    name = named if isinstance(named, str) and "name" in cls.declares else cls.__name__
    # Of the very type: a subclass of an author's may say anything where the name is printed.
    if "name" in own and not (type(own["name"]) is str and NAME.fullmatch(own["name"])):
        raise UserError(f"name of {cls.__name__} is {own['name']!r}; it takes letters, digits and ._- without spaces.")
    for word in sorted(cls.engine_sets & vars(cls).keys()):
        if isinstance(vars(cls)[word], FunctionType) or not hasattr(vars(cls)[word], "__get__"):
            raise UserError(f"{word} of {cls.__name__} is set by the engine; give the attribute another name.")
    for field in WHOLE:
        if field in own and (type(own[field]) is not int or own[field] < 1):
            raise UserError(f"{name}: {field} is {own[field]!r}; it takes a whole number, 1 or more.")
    if "reproducible" in own and type(own["reproducible"]) is not bool:
        raise UserError(f"{name}: reproducible is {own['reproducible']!r}; it takes True or False.")
    if "kind" in own and not (type(own["kind"]) is str and own["kind"]):
        raise UserError(f"{name}: kind is {own['kind']!r}; it takes one word, such as 'linear-mrp'.")
    for field in TUPLES:
        if field in own:
            title = f"persistent of {cls.__name__}" if field == "persistent" else f"{name}: {field}"
            _check_tuple(title, own[field])
    if "kinds" in own and not own["kinds"]:
        raise UserError(f"{name}: kinds is empty; name the kinds of environment it runs on, such as ('linear-mrp',).")
    for field, example in MAPPINGS.items():
        if field in own:
            _check_mapping(f"{name}: {field}", own[field], example)
    if "faces" in own:
        _check_faces(name, own["faces"])
    _check_persistent(cls)


def _check_tuple(title: str, value: object) -> None:
    if isinstance(value, str):
        raise UserError(f"{title} is {_string(title, value)}; write ({value!r},).")
    if not isinstance(value, tuple | list):
        raise UserError(f"{title} is {value!r}; it takes a tuple of names, such as ('a', 'b').")
    for part in cast("tuple[object, ...]", value):
        if not isinstance(part, str):
            raise UserError(f"{title} holds {part!r}; it takes a tuple of names, such as ('a', 'b').")


def _string(title: str, value: str) -> str:
    return f"the string {value!r}" if title.startswith("persistent") else repr(value)


def _check_mapping(title: str, value: object, example: str) -> None:
    words: list[tuple[object, object]] = [(value, value)]
    if isinstance(value, Mapping):
        words = list(cast("Mapping[object, object]", value).items())
    if not all(isinstance(key, str) and isinstance(text, str) for key, text in words) or isinstance(value, str):
        raise UserError(f"{title} is {value!r}; it takes name: what it is, such as {example}.")


def _check_faces(name: str, faces: object) -> None:
    pairs = cast("Mapping[object, object]", faces).items() if isinstance(faces, Mapping) else [(faces, faces)]
    for kind, face in pairs:
        whole = isinstance(face, type) and all(hasattr(face, word) for word in ("name", "kind", "Parameters"))
        if not (isinstance(kind, str) and whole):
            raise UserError(
                f"{name}: faces is {faces!r}; it takes kind: class of an environment, with name, kind and Parameters."
            )


def _check_persistent(cls: type[Declared]) -> None:
    """Raises ``UserError`` where ``persistent`` names a method, or what the engine keeps itself."""
    names: object = getattr(cls, "persistent", ())
    for name in cast("tuple[str, ...]", names) if isinstance(names, tuple | list) else ():
        if isinstance(getattr(cls, name, None), FunctionType):
            raise UserError(
                f"persistent of {cls.__name__} names {name!r}, which is a method of the class; "
                "give the attribute another name."
            )
        if name in cls.engine_sets:
            raise UserError(f"persistent of {cls.__name__} names {name!r}, which the engine keeps; leave it out.")
