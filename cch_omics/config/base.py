"""What a section of the configuration is, and how a wrong one is said so that its owner can mend it."""

import difflib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from cch_omics.errors import InputError

# A row of the sheet is an argument of a command, of which the system takes some 130,000 bytes.
LONGEST_TEXT = 10_000


class Section(BaseModel):
    """Keys with types, defaults and descriptions. Unknown keys are errors, and so are infinite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_meant(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse a switch where a number is meant, and text that cannot be a path, a name or part of a command."""
        if isinstance(value, bool) and cls.model_fields[info.field_name or ""].annotation in {int, float}:
            raise ValueError("a number, not a switch")
        if isinstance(value, str):
            if len(value) > LONGEST_TEXT:
                raise ValueError(f"at most {LONGEST_TEXT} characters")
            if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
                raise ValueError("one line of text without control characters")
        return value


@dataclass(frozen=True)
class Choice:
    """Annotation of a field: one of several names, such as the names of a registry."""

    names: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """Check a value as `Literal` does. (Type checkers do not let a `Literal` be made of a variable.)"""
        return handler.generate_schema(Literal.__getitem__(self.names))


def keys_of(model: type[Section]) -> tuple[str, ...]:
    """Names of the keys of a section, as its owner writes them."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


def input_error(error: ValidationError, model: type[Section], where: str, kind: str) -> InputError:
    """Turn the first of pydantic's complaints into an `InputError`, and say how many more there are.

    Parameters
    ----------
    error
        Of the validation of `model`.
    where
        How the message names what was read.
    kind
        What a field is there: "key", "column" or "argument".
    """
    complaints = error.errors(include_url=False)
    first = complaints[0]
    place = ".".join(str(part) for part in first["loc"])
    owner, field = _locate(model, first["loc"])
    more = f" ({len(complaints) - 1} more to mend after this one.)" if len(complaints) > 1 else ""
    where = f"{where}, {kind} {place}"
    if first["type"] in {"extra_forbidden", "invalid_key"}:
        names = keys_of(owner)
        return InputError(
            where, "an unknown key", f"keys among {', '.join(names)}", near(str(first["loc"][-1]), names) + more
        )
    description = f"{field.description}" if field is not None and field.description else "See config/README.md."
    if first["type"] == "missing":
        return InputError(where, "nothing", f"a value: {description.rstrip('.')}", f"Add the {kind}." + more)
    if first["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        keys = f", with keys among {', '.join(owner.model_fields)}" if owner is not model else ""
        return InputError(
            where,
            _shown(first["input"]),
            f"keys and values{keys}",
            "Write `KEY: VALUE`, indented below it in a file." + more,
        )
    said = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    # What a validator of ours says is more than the choices.
    expected = said if first["type"] == "value_error" else _choices(field) or said
    if first["type"] == "string_pattern_mismatch":
        expected = "letters, digits, '_', '.' and '-' only, a letter or digit first"
    return InputError(where, _shown(first["input"]), expected, description + more)


def near(name: str, names: Iterable[str]) -> str:
    """Advice about a name that does not exist."""
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"Did you mean {found[0]!r}?" if found else "Remove it, or see config/README.md for what there is."


def _locate(model: type[Section], location: tuple[int | str, ...]) -> tuple[type[Section], FieldInfo | None]:
    """The section that a location in the configuration is in, and its field where it names one."""
    field: FieldInfo | None = None
    for part in location:
        found = model.model_fields.get(str(part))
        if found is None:
            break
        field = found
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            model = field.annotation
    return model, field


def _choices(field: FieldInfo | None) -> str:
    """Valid values of a field that has few, e.g. "one of 'ksg', 'gaussian'"."""
    choices = [each for each in field.metadata if isinstance(each, Choice)] if field is not None else []
    return "one of " + ", ".join(repr(name) for name in choices[0].names if name) if choices else ""


def _shown(value: object) -> str:
    """A value as its owner wrote it, short, with its type where that is what is wrong."""
    text = repr(value)
    return (text if len(text) <= 60 else text[:57] + "...") + f" ({type(value).__name__})"
