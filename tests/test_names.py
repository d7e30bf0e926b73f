"""The grammar of names: NAME, NAME:value, NAME:key=value,key=value."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

import uncollapse as uc
from uncollapse.errors import ConfigError, unknown
from uncollapse.names import Registry


@dataclass(frozen=True)
class Thing:
    count: int = 1
    rate: float = 0.5
    flag: bool = False
    maybe: int | None = None
    word: str = "plain"
    perhaps: bool | None = None
    share: float | None = None


@dataclass(frozen=True)
class Other:
    size: int = 3


@dataclass(frozen=True)
class Pair:
    first: float = 0.5
    second: float = 0.75


@dataclass
class Learned:
    rate: float = 0.5
    memory: list = field(init=False, default_factory=list)


THINGS = Registry("thing", {"thing": Thing, "other": Other, "learned": Learned})
PRESETS = Registry(
    "preset", {"plain": Thing(), "big": Thing(count=100), "big-fast": Thing(count=100, rate=0.9)}
)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("thing", Thing()),
        ("thing:", Thing()),
        ("thing:7", Thing(7)),
        ("thing:7,0.25", Thing(7, 0.25)),
        ("thing:7,0.25,true,3,word,false", Thing(7, 0.25, True, 3, "word", False)),
        ("thing:rate=0.25", Thing(rate=0.25)),
        ("thing:flag=true,count=-2", Thing(count=-2, flag=True)),
        ("thing:7,flag=True", Thing(7, flag=True)),
        ("thing:maybe=none", Thing()),
        ("thing:maybe=None", Thing()),
        ("thing:maybe=4", Thing(maybe=4)),
        ("thing:perhaps=FALSE", Thing(perhaps=False)),
        ("thing:share=1e-3", Thing(share=0.001)),
        ("thing:rate=3", Thing(rate=3.0)),
        ("thing:word=a=b:c", Thing(word="a=b:c")),
        ("other:5", Other(5)),
        ("learned:rate=1", Learned(1.0)),
    ],
)
def test_what_names_mean(spec, expected):
    assert THINGS.get(spec) == expected


def test_types_are_those_of_the_fields():
    thing = THINGS.get("thing:3,3,true,3,3,true,3")
    values = (thing.count, thing.rate, thing.flag, thing.maybe, thing.word, thing.share)
    assert [type(v) for v in values] == [int, float, bool, int, str, float]


def test_settings_change_a_ready_instance():
    assert PRESETS.get("big") == Thing(count=100)
    assert PRESETS.get("big:rate=0.1") == Thing(count=100, rate=0.1)
    assert PRESETS.get("big") == Thing(count=100)  # and the preset itself is not changed


def test_what_is_not_a_string_is_returned_as_it_is():
    thing = Thing(9)
    assert THINGS.get(thing) is thing


def test_it_lists_its_names():
    assert list(THINGS) == ["thing", "other", "learned"]
    assert len(THINGS) == 3
    assert "thing" in THINGS
    assert "thin" not in THINGS


BAD = [
    ("thin", "unknown thing 'thin'. Did you mean 'thing'?"),
    ("Thing", "unknown thing 'Thing'. Did you mean 'thing'?"),
    ("", "unknown thing ''."),
    (":5", "unknown thing ''."),
    ("zzzzz", "Known: learned, other, thing"),
    ("thing:rat=1", "unknown setting of thing 'thing' 'rat'. Did you mean 'rate'?"),
    ("thing:=1", "unknown setting of thing 'thing' ''."),
    ("learned:memory=1", "unknown setting of thing 'learned' 'memory'."),
    ("learned:0.1,2", "thing 'learned' takes 1 setting(s), not '0.1,2'"),
    ("thing:0.5", "thing 'thing': count must be int, not '0.5'"),
    ("thing:rate=fast", "rate must be float, not 'fast'"),
    ("thing:flag=1", "flag must be true or false, not '1'"),
    ("thing:flag=none", "flag must be true or false, not 'none'"),
    ("thing:maybe=x", "maybe must be int or NoneType, not 'x'"),
    ("thing:1,learned:2", "'learned:2' is no setting, but another thing: give each by itself"),
    ("thing:count=", "count must be int, not ''"),
]


@pytest.mark.parametrize(("spec", "words"), BAD)
def test_what_names_cannot_mean_is_said_in_one_line(spec, words):
    with pytest.raises(ConfigError) as caught:
        THINGS.get(spec)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spec", ["thing:rate=0.1,rate=0.2", "thing:5,count=6", "thing:rate=1,2"])
def test_a_setting_given_twice_is_refused(spec):
    """The last would win without a word; the third says rate by name, then again by position."""
    with pytest.raises(ConfigError):
        THINGS.get(spec)


def test_a_place_left_empty_does_not_move_the_next_setting_forward():
    """``pair:,0.25`` is a second setting of 0.25, or an error, but never the first."""
    registry = Registry("thing", {"pair": Pair, "other": Other})
    with contextlib.suppress(ConfigError):
        assert registry.get("pair:,0.25") == Pair(second=0.25)


@pytest.mark.parametrize(
    "spec",
    ["thing: 7", "thing:7, 0.25", "thing:count=7, rate=0.25", "thing : 7", " thing:count = 7 "],
)
def test_spaces_are_overlooked_or_refused_but_mean_nothing_else(spec):
    with contextlib.suppress(ConfigError):
        assert THINGS.get(spec) == THINGS.get(spec.replace(" ", ""))


@dataclass(frozen=True)
class Needy:
    size: int
    rate: float = 0.5


NEEDY = Registry("thing", {"needy": Needy, "other": Other})


def test_a_setting_without_default():
    assert NEEDY.get("needy:4") == Needy(4)
    with pytest.raises(ConfigError, match=r"say Needy\(size=\.\.\.\)"):
        NEEDY.get(Needy)
    with pytest.raises(ConfigError, match="say needy:size=") as caught:
        NEEDY.get("needy")
    assert "\n" not in str(caught.value)


def test_a_choice_with_a_setting_without_default_has_a_name_too():
    assert NEEDY.spec(Other(4)) == "other:size=4"
    assert NEEDY.get(NEEDY.spec(Needy(4))) == Needy(4)


@pytest.mark.parametrize(
    ("chosen", "spec"),
    [
        (Thing(), "thing"),
        (Thing(rate=0.1), "thing:rate=0.1"),
        (Thing(3, flag=True), "thing:count=3,flag=True"),
        (Other(), "other"),
        (Learned(0.25), "learned:rate=0.25"),
        (object(), None),
        (None, None),
    ],
)
def test_names_of_things(chosen, spec):
    assert THINGS.spec(chosen) == spec


def test_the_nearest_preset_gives_the_name():
    assert PRESETS.spec(Thing(count=100)) == "big"
    assert PRESETS.spec(Thing(count=100, rate=0.9)) == "big-fast"
    assert PRESETS.spec(Thing(count=100, rate=0.9, flag=True)) == "big-fast:flag=True"
    assert PRESETS.spec(Thing(rate=0.1)) == "plain:rate=0.1"


floats = st.floats(allow_nan=False)
things = st.builds(
    Thing,
    count=st.integers(),
    rate=floats,
    flag=st.booleans(),
    maybe=st.none() | st.integers(),
    word=st.text(st.characters(categories=["L", "N"])),
    perhaps=st.none() | st.booleans(),
    share=st.none() | floats,
)


@given(things)
def test_every_thing_has_a_name_that_leads_back(thing):
    for registry in (THINGS, PRESETS):
        assert registry.get(registry.spec(thing)) == thing


@given(st.integers(), floats)
def test_positions_and_keys_say_the_same(count, rate):
    by_position = THINGS.get(f"thing:{count},{rate}")
    assert by_position == THINGS.get(f"thing:rate={rate},count={count}") == Thing(count, rate)
    assert math.copysign(1, by_position.rate) == math.copysign(1, rate)


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"])))
def test_any_text_is_a_choice_or_one_line(text):
    for spec in (text, f"thing:{text}", f"thing:rate={text}"):
        try:
            chosen = THINGS.get(spec)
        except ConfigError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017
        else:
            assert isinstance(chosen, Thing | Other | Learned)


@dataclass(frozen=True)
class Wordy:
    name: str | None = None


def test_none_of_a_word_that_may_be_none():
    """A type that takes any text must not hide None."""
    registry = Registry("thing", {"wordy": Wordy, "other": Other})
    assert registry.get("wordy:none") == Wordy(None)
    assert registry.get("wordy:x") == Wordy("x")


def test_the_nearest_name_is_offered_and_all_are_listed():
    error = unknown("game", "Dule", ["sgan", "duel"])
    assert str(error) == "unknown game 'Dule'. Did you mean 'duel'? Known: duel, sgan"
    assert "Did you mean" not in str(unknown("game", "xyzzy", ["sgan", "duel"]))


def test_what_has_no_default_is_asked_for():
    @dataclass
    class Timed:
        steps: int
        begin: float = 0.5

    registry = Registry("thing", {"timed": Timed})
    for named in ("timed", "timed:begin=0.5", Timed):
        with pytest.raises(ConfigError, match=r"(timed|Timed)' needs steps: say .*[:(]steps="):
            registry.get(named)


def test_a_full_name_has_every_setting_and_leads_back():
    """Of a ready instance only what it turns on."""
    for registry in (
        uc.objectives.registry, uc.games.registry, uc.remedies.registry, uc.nets.families,
    ):  # fmt: skip
        for name in registry:
            full = registry.full(registry.get(name))
            assert registry.get(full) == registry.get(name)
    assert uc.remedies.registry.full(uc.remedies.EMA()) == "ema:decay=0.999"
    assert uc.objectives.registry.full(uc.objectives.get("hinge:r1=5")) == "hinge:r1=5.0"
    assert uc.objectives.registry.full(uc.objectives.get("wgan-gp")) == "wgan-gp:gp=10.0"
    assert uc.remedies.registry.full(object()) is None
