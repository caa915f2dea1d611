from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titans_seq import registry
from titans_seq.config import from_dict, from_yaml, parse_yaml, register, to_dict, to_yaml
from titans_seq.errors import UserError


class Architecture(Protocol):
    def build(self) -> object: ...


@register("test-linear")
@dataclass(frozen=True)
class Linear:
    def build(self) -> object:
        return None


@register("test-mlp")
@dataclass(frozen=True)
class MLP:
    depth: int = 2
    activation: Literal["gelu", "relu"] = "gelu"

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise ValueError(f"depth must be at least 1, got {self.depth}")

    def build(self) -> object:
        return None


@dataclass(frozen=True)
class Gates:
    rate: float = 0.1
    span: tuple[int, int] = (0, 1)


@register("test-other")
@dataclass(frozen=True)
class Other:
    pass


@register("test-model")
@dataclass(frozen=True)
class Model:
    width: int
    architecture: Architecture = field(default_factory=MLP)
    head: Linear | MLP = field(default_factory=Linear)
    gates: Gates | None = None
    layers: tuple[Linear | MLP, ...] = ()
    tags: dict[str, float] = field(default_factory=dict)
    dropout: float | None = None
    causal: bool = True
    name: str = "m"


MODEL = Model(
    width=8,
    architecture=MLP(depth=3, activation="relu"),
    gates=Gates(rate=1e-5, span=(2, 3)),
    layers=(Linear(), MLP()),
    tags={"a": 0.5},
    name="no",
)


@pytest.fixture
def fresh_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test register classes that no other test sees."""
    monkeypatch.setattr(registry, "_CLASSES", dict(registry._CLASSES))
    monkeypatch.setattr(registry, "_KINDS", dict(registry._KINDS))


def test_dictionary_is_plain_and_starts_with_the_kind() -> None:
    data = to_dict(MODEL)
    assert list(data)[0] == "kind"
    assert data == {
        "kind": "test-model",
        "width": 8,
        "architecture": {"kind": "test-mlp", "depth": 3, "activation": "relu"},
        "head": {"kind": "test-linear"},
        "gates": {"rate": 1e-5, "span": [2, 3]},
        "layers": [{"kind": "test-linear"}, {"kind": "test-mlp", "depth": 2, "activation": "gelu"}],
        "tags": {"a": 0.5},
        "dropout": None,
        "causal": True,
        "name": "no",
    }


def test_round_trips() -> None:
    assert from_dict(to_dict(MODEL)) == MODEL
    assert from_dict(to_dict(MODEL), Model) == MODEL
    assert from_yaml(to_yaml(MODEL)) == MODEL
    assert "test_config" not in to_yaml(MODEL)
    assert "Model" not in to_yaml(MODEL)


@settings(max_examples=12)
@given(
    st.builds(
        Model,
        width=st.integers(),
        architecture=st.one_of(st.builds(Linear), st.builds(MLP, depth=st.integers(1, 9))),
        head=st.one_of(st.builds(Linear), st.builds(MLP, depth=st.integers(1, 9))),
        gates=st.none() | st.builds(Gates, rate=st.floats(allow_nan=False)),
        layers=st.lists(st.builds(MLP, depth=st.integers(1, 9)), max_size=3).map(tuple),
        tags=st.dictionaries(st.text(), st.floats(allow_nan=False), max_size=3),
        dropout=st.none() | st.floats(allow_nan=False),
        causal=st.booleans(),
        name=st.text(),
    )
)
def test_any_configuration_survives_yaml(model: Model) -> None:
    assert from_yaml(to_yaml(model)) == model


def test_defaults_fill_in_and_an_int_will_do_for_a_float() -> None:
    model = from_dict({"kind": "test-model", "width": 4, "dropout": 0, "gates": {"rate": 1}})
    assert model == Model(width=4, dropout=0.0, gates=Gates(rate=1.0))
    assert type(model.dropout) is float


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"architecture": {"kind": "test-mlp", "depht": 3}},
            "architecture.depht: unknown field, expected one of depth, activation; did you mean 'depth'?",
        ),
        (
            {"head": {"kind": "test-mpl"}},
            "head.kind: unknown kind 'test-mpl', expected one of test-linear, test-mlp; did you mean 'test-mlp'?",
        ),
        (
            {"head": {"kind": "test-other"}},
            "head.kind: unknown kind 'test-other', expected one of test-linear, test-mlp; did you mean 'test-linear'?",
        ),
        ({"head": {"kind": ["x"]}}, "head.kind: unknown kind ['x'], expected one of test-linear, test-mlp"),
        ({"head": {"kind": "test-linear", "x": 1}}, "head.x: unknown field, expected no field at all"),
        ({"gates": {"kind": "gates"}}, "gates.kind: unknown field, expected one of rate, span"),
        ({"gates": {"span": [1]}}, "gates.span: expected a list of 2, got [1]"),
        ({"gates": {"span": [1, "x"]}}, "gates.span[1]: expected a whole number, got 'x'"),
        ({"gates": 3}, "gates: expected a mapping of names to values, got 3"),
        (
            {"architecture": {"kind": "test-mlp", "activation": "rely"}},
            "architecture.activation: expected one of 'gelu', 'relu', got 'rely'; did you mean 'relu'?",
        ),
        (
            {"architecture": {"kind": "test-mlp", "depth": 0}},
            "architecture: depth must be at least 1, got 0",
        ),
        (
            {"layers": [{"kind": "test-mlp", "depth": True}]},
            "layers[0].depth: expected a whole number, got True",
        ),
        ({"layers": 1}, "layers: expected a list, got 1"),
        ({"width": 8.0}, "width: expected a whole number, got 8.0"),
        ({"causal": 1}, "causal: expected true or false, got 1"),
        ({"name": False}, "name: expected a string, got False"),
        ({"tags": {"a": "x"}}, "tags.a: expected a number, got 'x'"),
        ({"tags": [1]}, "tags: expected a mapping of names to values, got [1]"),
        ({"dropout": "half"}, "dropout: expected a number, got 'half'"),
    ],
)
def test_messages_name_the_path(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        from_dict({"kind": "test-model", "width": 8} | change)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "test-model"}, "width: missing, and it has no default: add it"),
        ({"width": 3}, "kind: missing, expected one of "),
        (
            {"kind": "test-model", "width": 3, "architecture": {"depth": 2}},
            "architecture.kind: missing, expected one of ",
        ),
    ],
)
def test_missing_parts(data: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        from_dict(data)
    assert str(caught.value).startswith(message)


def test_a_wrong_expected_class_is_refused() -> None:
    with pytest.raises(UserError, match=r"^kind: unknown kind 'test-mlp', expected one of test-model; did"):
        from_dict({"kind": "test-mlp"}, Model)


@pytest.mark.usefixtures("fresh_kinds")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: register("test-mlp")(dataclass(frozen=True)(type("A", (), {}))),
            r"kind 'test-mlp' is taken by .*\.MLP",
        ),
        (lambda: register("new")(dataclass(type("A", (), {}))), "A must be a frozen dataclass"),
        (lambda: register("new")(type("A", (), {})), "A must be a frozen dataclass"),
        (
            lambda: register("new")(dataclass(frozen=True)(type("A", (), {"__annotations__": {"kind": str}}))),
            "A has a field 'kind'",
        ),
    ],
)
def test_what_cannot_be_registered(make: Callable[[], type], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.usefixtures("fresh_kinds")
def test_a_module_may_be_imported_again() -> None:
    def define() -> type:
        @register("test-again")
        @dataclass(frozen=True)
        class Again:
            pass

        return Again

    first, second = define(), define()
    assert type(from_dict({"kind": "test-again"})) is second
    assert to_dict(first()) == to_dict(second()) == {"kind": "test-again"}


@pytest.mark.usefixtures("fresh_kinds")
def test_a_subclass_has_no_kind_of_its_base() -> None:
    @dataclass(frozen=True)
    class Deeper(MLP):
        pass

    assert registry.kind_of(Deeper) is None
    assert "kind" not in to_dict(Deeper())


def test_a_value_that_no_file_gives_back_is_refused() -> None:
    with pytest.raises(TypeError, match=r"cannot hold \{1\} of type set"):
        to_dict({"a": {1}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2", "run/config.yaml, line 2: not valid YAML"),
        ("- 1", "run/config.yaml: expected a mapping of names to values, got [1]"),
        ("", "run/config.yaml: expected a mapping of names to values, got None"),
        ("1: 2", "run/config.yaml: expected a mapping of names to values, got {1: 2}"),
        ("a: !!python/object/apply:os.getcwd []", "run/config.yaml, line 1: not valid YAML"),
        ("seed: 1\nlr: 2\nseed: 3", "run/config.yaml, line 3: not valid YAML ('seed' is given twice, first on line 1)"),
        ("a: [{b: {c: 1,\n c: 1}}]", "run/config.yaml, line 2: not valid YAML ('c' is given twice, first on line 1)"),
    ],
)
def test_bad_yaml_names_the_file(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_yaml(text, "run/config.yaml")
    assert str(caught.value).startswith(message)


def test_from_yaml_names_the_file_and_the_path() -> None:
    with pytest.raises(UserError, match=r"^run/config\.yaml: width: expected a whole number, got 'x'$"):
        from_yaml("kind: test-model\nwidth: x", source="run/config.yaml")


def test_what_is_merged_may_be_given_again() -> None:
    text = "x: {a: &a {k: 1}, b: &b {<<: *a, k: 2}}\ny: {<<: *b, k: 3}\nz: {<<: *a, <<: *b, m: 4}"
    read = parse_yaml(text)
    assert (read["x"]["b"], read["y"]) == ({"k": 2}, {"k": 3})
    assert set(read["z"]) == {"k", "m"}


@pytest.mark.parametrize("text", ["010", "08", "+010"])
def test_leading_zeros_mean_nothing_in_a_number_and_stay_in_text(text: str) -> None:
    assert from_yaml(f"depth: {text}", MLP) == MLP(depth=int(text))
    assert parse_yaml(f"label: {text}") == {"label": text}


@pytest.mark.parametrize(("text", "value"), [("1e-3", 1e-3), ("-2E+4", -2e4), ("1.5e-3", 1.5e-3), ("7", 7)])
def test_numbers_as_people_write_them(text: str, value: float) -> None:
    assert parse_yaml(f"x: {text}") == {"x": value}


@pytest.mark.parametrize(
    "text",
    ["1e5", "2E10", "1.5e3", "+3e7", "1:30.5", "1.2.3", ".e5", "10:30", "2020-01-01", "0x10", "no", "null", "007"],
)
def test_text_that_looks_like_something_else_stays_text(text: str) -> None:
    assert parse_yaml(to_yaml({"classes": [text]})) == {"classes": [text]}


def test_a_value_is_read_as_people_mean_it() -> None:
    read = parse_yaml("a: 10:30\nb: 2020-01-01\nc: 1e3\nd: -4\ne: 0x1f\nf: 1_000\ng: 0\nh: 1:30.5\ni: 1.5e3")
    assert read == {
        **{"a": "10:30", "b": "2020-01-01", "c": 1000.0, "d": -4, "e": 31, "f": 1000, "g": 0},
        **{"h": "1:30.5", "i": 1500.0},
    }
