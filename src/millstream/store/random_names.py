"""Names for runs and models that came without one: `adjective-noun-number`, at most 20 characters, not unique."""

from __future__ import annotations

import random

_DICE = random.SystemRandom()
"""Not the generator of the training, which must draw the same numbers with us as without."""

MAX_LENGTH = 20

_ADJECTIVES = (
    "able adept agile airy amber ample apt aqua arch azure balmy bold brave brief bright brisk calm candid careful "
    "casual cheery chic civil classy clean clear clever cool coral cosy crisp curious dainty dapper daring deft "
    "delicate dreamy eager early easy elegant fair fancy fast fine firm fleet fond free fresh funny gentle glad "
    "gleaming golden good grand great handy happy hardy hearty honest humble icy ideal jolly keen kind large legal "
    "light likeable lively loud lucid lucky lush magic mellow merry mild modest neat nimble noble nosy open overt "
    "pale peaceful placid polite proud quick quiet quirky rapid rare ready regal rich ripe robust rosy royal rustic "
    "salty secret serene shiny silent silver sincere sleek smart smooth snappy sober soft solid spicy spry stately "
    "steady still strong suave sunny sweet swift tall tidy trim true upbeat useful valiant vast vivid warm wise witty "
    "worthy zesty"
)

_NOUNS = (
    "ant ape asp auk badger bat bear beaver bee beetle bird bison boar bream bug calf carp cat chimp clam cod colt "
    "conch cow crab crane croc crow cub deer doe dog dolphin donkey dove duck eagle eel elk ewe falcon fawn finch fish "
    "flea fly foal fowl fox frog gnat gnu goat goose grouse grub gull hare hawk hen heron hog horse hound ibex jay kit "
    "kite koi koala lamb lark loon lynx mare midge mink mole moose moth mouse mule newt owl ox panda panther perch pig "
    "pug quail ram rat raven ray robin roo rook seal shad shark sheep shoat shrew shrike shrimp skink skunk sloth slug "
    "smelt snail snake snipe sow sponge squid squirrel stag steed stoat stork swan tern toad trout turtle vole wasp "
    "whale wolf worm wren yak zebra"
)

ADJECTIVES = tuple(_ADJECTIVES.split())
NOUNS = tuple(_NOUNS.split())
_LETTERS_LEFT = MAX_LENGTH - len("--1000")


def random_name() -> str:
    """A fresh name, such as `suave-sow-991`."""
    while True:
        adjective, noun = _DICE.choice(ADJECTIVES), _DICE.choice(NOUNS)
        if len(adjective) + len(noun) <= _LETTERS_LEFT:
            return f"{adjective}-{noun}-{_DICE.randrange(1001)}"
