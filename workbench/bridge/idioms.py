"""Beginnings of phrases that ask for nothing, in spite of their verb."""

from __future__ import annotations

_BY_VERB = """
book: club
boot: camp
bring: it on
burn: the bridges
buy: me a drink, time
call: me maybe, it, the shots, a spade, it a day
change: the subject, the world, my mind, your mind
check: it out, this out, you out, yourself
clear: the air, the table, the way, the path, the floor, the decks, the dishes, the snow, the driveway, as, skies, blue, cut
close: the door on, your eyes, the deal, the gap, enough, to, the book, call
count: me in, me out, on, your blessings, sheep
cut: the crap, it, me some slack
destroy: the competition, the enemy, the ring, the death star, them, him
drop: the ball, the act, the subject, the mic, the bass, the beat, the attitude, me a line, us a line, me off, by, in, dead, it, the
  gloves, the topic, the formalities, kick, out
empty: the dishwasher, the trash can, your mind, the litter, your pockets, promises, nest, words
end: of, it, the day
find: peace, yourself, the time, the courage
flush: the toilet
forget: it, about it, that, everything i just, everything i said
format: wars
get: well, lost, a life, a room, over, out, going, ready, real, to the point, up, along, rid of stress
give: me a break, it, up, me a hand, peace
kill: time, some time, the mood, the vibe, two birds, me, them with kindness, the messenger, for, bill
lock: eyes, horns
log: cabin
lose: weight, yourself, the attitude
lower: your voice
mail: order
make: up, a wish, my day, a difference, a scene, room, peace, friends, sense, do, it, some noise, love, a deal
name: that tune
note: to self
open: your heart, your eyes, your mind, up, a can of worms, sesame, wide
order: in the court, order
pay: attention, the price, a visit
plan: b
play: with, the fool, dead, along, fair, it, the long game, list
post: office
power: of love
push: the envelope, your luck
put: up with, your feet up, the kettle
raise: the bar, the roof, a glass
read: my mind, my lips, the room, me a story, between
remove: the lid, from heat, from the oven, your shoes, your hat, your coat, the skin, the seeds, the pan, the stem
reset: your clocks, your watch, my expectations, and
run: away, along, wild, errands, a marathon, a mile, for it, into, the risk, it by, like, out
save: the day, your breath, me, the planet
see: you, the light, the world, if i care
set: the table, the record, the tone, the stage, the bar, the scene, your mind, sail, phasers, foot, fire
share: your thoughts
show: me the money, me love, off, up
shut: up, the front door
start: a fire, a family, a band, over, from, with, a conversation, the day, your day, a new life, a war
stop: by, the press, the presses, the world, time, it, worrying, the clock
take: turns, care, a break, a seat, it, note, a bow, five
tell: me about it
text: book
throw: away the leftovers, out the trash, out the garbage, away the trash, away the key
trash: talk
turn: that frown, the page, the tables, the corner, over a new leaf, on the charm, off your brain, the other cheek, around,
  left, right, back, it up
  to eleven, on the waterworks, down the offer
water: under
wipe: down, the slate, the floor, the table, the counter, your feet, the smile, the grin, the windows, the board, the sweat,
  the dishes, that,
  board
write: home
"""
"""A verb, a colon, and how phrases with it go on; a line that is indented goes on with the verb before."""


def _phrases(text: str) -> frozenset[tuple[str, ...]]:
    lines = text.replace("\n  ", " ").strip().splitlines()
    by_verb = (line.split(": ", 1) for line in lines)
    return frozenset((verb, *rest.split()) for verb, rests in by_verb for rest in rests.split(", "))


IDIOMS = _phrases(_BY_VERB)
LONGEST = max(map(len, IDIOMS))
