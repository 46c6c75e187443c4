"""How people ask without saying what: greetings, politeness, and the frames of a request, before it and behind it."""

from __future__ import annotations

import re

POLITE = (
    r"please|permanently|completely|entirely|fully|forcibly|force|hard|bulk|safely|securely|remotely|kindly|just|now|then|also|quickly|"
    r"first|next|finally|maybe|perhaps|possibly|actually|so|and|well|okay|ok|alright|right|yes|"
    r"yeah|yep|"
    r"sure|um|uh|er|erm|hm+|ah|oh|hey|hello|hi|thanks|thank you|but|like|listen|excuse me|good (?:morning|evening|afternoon)|by the way|"
    r"one more thing|all right|never mind that|for me|for now|in the meantime|real quick|quick|there|great|cool|perfect|fine|i think|"
    r"i guess|"
    r"if (?:you can|you could|you would|you please|possible|you do not mind|it is not too much trouble|you have (?:a )?(?:time|moment|"
    r"second))|"
    r"(?:when(?:ever)? you|as soon as you|once you) (?:get a chance|get a moment|have a (?:moment|second|minute|chance)|have time|can|"
    r"are ready)|"
    r"as soon as possible|right now|right away|immediately|do me a favou?r(?: and)?|be a dear and|(?:some|any)one please"
)
_ASKS = (
    r"(?:i (?:was|am) )?(?:just )?wondering (?:if|whether) (?:you|we) (?:could|can|would|might|will)|i wonder (?:if|whether) you (?:could|"
    r"can|would)|"
    r"do you think (?:you|we) (?:could|can|might)|would it be (?:possible|ok|okay|all right) (?:for you )?(?:to|if you)|"
    r"(?:is there )?any chance (?:you|we) (?:could|can|might)|(?:could|can|may|might) i (?:please )?(?:ask|trouble|bother|get|have) you to|"
    r"i (?:really |kind of |just |also |now )?(?:want|need|would like|would love|would prefer|d like|wish)(?: for)?(?: you|"
    r" us)?(?: all)? to|"
    r"i wanna|we (?:really |just )?(?:need to|want to|should|have to|must|ought to|gotta|would like to)|let us|lets|let me|"
    r"(?:can|could|would|will) (?:you|u|we)|can not you|could not you|will not you|would not you|"
    r"(?:can|could|may) i (?=(?:please )?(?:get|have|book|reserve|see|hear|order)\b)|"
    r"you (?:can|may|should|need to|have to|must|might want to|could|had better|better|are to|are going to)|you will(?: have to)?|"
    r"go ahead and|go and|come and|make sure(?: that)?(?: you| to)|be sure to|be so kind (?:as to|and)|"
    r"(?:do|please) not forget to|remember to|try to|try and|why do not you|why do not we|why not|i am (?:asking|telling|"
    r"going to need) you to|"
    r"i order you to|i (?:demand|insist|expect|ask|beg)(?: that)? you(?: to)?|it is time to|time to|help me(?: to)?|feel free to|"
    r"proceed to|start to|begin to|it would be (?:great|nice|good|"
    r"lovely) if you (?:could|would|can)|"
    r"i would (?:appreciate it|be grateful|be glad|be happy) if you (?:could|would)|you mind|i hereby order you to|i command you to|"
    r"(?:your|the|my) (?:task|job|order|request|command) is to"
)
_GERUND_ASKS = r"would you mind|do you mind|mind|how about(?: you)?|what about|would you consider|start by|begin with|i suggest|consider"
POLITENESS, REQUEST = re.compile(rf"^(?:{POLITE})\b ?"), re.compile(rf"^(?:{_ASKS})\b ?")
GERUND = re.compile(rf"^(?:{_GERUND_ASKS}) (\w+ing)\b")
TAIL = re.compile(
    r" (?:please|now|right now|right away|for me|for us|immediately|at once|asap|as soon as possible|thanks|thank you|okay|ok|will you|"
    r"would you|"
    r"can you|could you|if you can|if you could|if you would|if you please|if possible|today|already|again|then|too|as well|quickly|"
    r"if you do not mind|when you can|when you get a chance|when you have a moment|would be (?:great|nice|good|lovely)|myca|yeah|alright|"
    r"right|"
    r"for good|permanently|forever|completely|entirely)$"
)
