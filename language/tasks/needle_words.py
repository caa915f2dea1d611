"""Short lists of words that make keys such as misty-harbour: 64 adjectives and 64 nouns, 4,096 keys."""

ADJECTIVES = tuple(
    """able amber ancient angry autumn bitter bold brave bright brittle calm careful clever cloudy cold crimson curious
    dusty eager early earnest empty faint fancy fierce foggy frozen gentle giant golden grand happy hidden hollow humble
    icy jolly keen lively lonely loyal lucky mellow mighty misty narrow noble odd pale patient plain polite proud purple
    quick quiet rapid rusty shy silver sleepy solid sturdy vivid""".split()
)

NOUNS = tuple(
    """acorn anchor arrow badger basket beacon blanket bottle branch bridge bucket button candle canyon carpet castle
    cellar cherry comet copper cradle desert dolphin dragon engine falcon feather ferry forest fountain glacier guitar
    hammer harbour helmet island jacket kettle ladder lantern lemon lizard magnet meadow mirror mountain needle ocean
    orchard parrot pebble pencil piano pillow pocket rabbit ribbon saddle sailor shadow spider temple thunder violin
    """.split()
)
