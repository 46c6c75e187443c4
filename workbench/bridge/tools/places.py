"""Places people ask the time of, and their time zones. A country with several zones is not in the table: it has no one time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from workbench.bridge.words import close, tokens

_ZONES: dict[str, tuple[str, ...]] = {
    "Africa/Abidjan": ("Abidjan", "Ivory Coast"),
    "Africa/Accra": ("Accra", "Ghana"),
    "Africa/Addis_Ababa": ("Addis Ababa", "Ethiopia"),
    "Africa/Algiers": ("Algiers", "Algeria"),
    "Africa/Cairo": ("Cairo", "Egypt"),
    "Africa/Casablanca": ("Casablanca", "Morocco"),
    "Africa/Dakar": ("Dakar", "Senegal"),
    "Africa/Johannesburg": ("Johannesburg", "Cape Town", "South Africa"),
    "Africa/Lagos": ("Lagos", "Nigeria"),
    "Africa/Nairobi": ("Nairobi", "Kenya"),
    "Africa/Tunis": ("Tunis", "Tunisia"),
    "America/Anchorage": ("Anchorage", "Alaska"),
    "America/Argentina/Buenos_Aires": ("Buenos Aires", "Argentina"),
    "America/Bogota": ("Bogota", "Colombia"),
    "America/Caracas": ("Caracas", "Venezuela"),
    "America/Chicago": ("Chicago", "Houston", "Dallas", "Austin"),
    "America/Denver": ("Denver", "Salt Lake City"),
    "America/Halifax": ("Halifax", "Nova Scotia"),
    "America/Havana": ("Havana", "Cuba"),
    "America/Jamaica": ("Kingston", "Jamaica"),
    "America/La_Paz": ("La Paz", "Bolivia"),
    "America/Lima": ("Lima", "Peru"),
    "America/Los_Angeles": ("Los Angeles", "San Francisco", "Seattle", "San Diego", "Las Vegas", "California"),
    "America/Mexico_City": ("Mexico City",),
    "America/Montevideo": ("Montevideo", "Uruguay"),
    "America/New_York": ("New York", "Boston", "Washington", "Miami", "Philadelphia", "Atlanta"),
    "America/Panama": ("Panama",),
    "America/Phoenix": ("Phoenix", "Arizona"),
    "America/Santiago": ("Santiago",),
    "America/Sao_Paulo": ("Sao Paulo", "Rio de Janeiro"),
    "America/Toronto": ("Toronto", "Montreal", "Ottawa"),
    "America/Vancouver": ("Vancouver",),
    "Asia/Baghdad": ("Baghdad", "Iraq"),
    "Asia/Bangkok": ("Bangkok", "Thailand"),
    "Asia/Colombo": ("Colombo", "Sri Lanka"),
    "Asia/Dhaka": ("Dhaka", "Bangladesh"),
    "Asia/Dubai": ("Dubai", "Abu Dhabi"),
    "Asia/Ho_Chi_Minh": ("Ho Chi Minh City", "Hanoi", "Vietnam"),
    "Asia/Hong_Kong": ("Hong Kong",),
    "Asia/Jakarta": ("Jakarta",),
    "Asia/Jerusalem": ("Jerusalem", "Tel Aviv", "Israel"),
    "Asia/Karachi": ("Karachi", "Lahore", "Pakistan"),
    "Asia/Kathmandu": ("Kathmandu", "Nepal"),
    "Asia/Kolkata": ("Mumbai", "Delhi", "New Delhi", "Bangalore", "Kolkata", "Chennai", "India"),
    "Asia/Kuala_Lumpur": ("Kuala Lumpur", "Malaysia"),
    "Asia/Manila": ("Manila", "Philippines"),
    "Asia/Qatar": ("Doha", "Qatar"),
    "Asia/Riyadh": ("Riyadh", "Saudi Arabia"),
    "Asia/Seoul": ("Seoul", "South Korea", "Korea"),
    "Asia/Shanghai": ("Beijing", "Shanghai", "Shenzhen", "China"),
    "Asia/Singapore": ("Singapore",),
    "Asia/Taipei": ("Taipei", "Taiwan"),
    "Asia/Tashkent": ("Tashkent", "Uzbekistan"),
    "Asia/Tbilisi": ("Tbilisi",),
    "Asia/Tehran": ("Tehran", "Iran"),
    "Asia/Tokyo": ("Tokyo", "Osaka", "Kyoto", "Japan"),
    "Asia/Yerevan": ("Yerevan", "Armenia"),
    "Atlantic/Reykjavik": ("Reykjavik", "Iceland"),
    "Australia/Adelaide": ("Adelaide",),
    "Australia/Brisbane": ("Brisbane",),
    "Australia/Melbourne": ("Melbourne",),
    "Australia/Perth": ("Perth",),
    "Australia/Sydney": ("Sydney", "Canberra"),
    "Europe/Amsterdam": ("Amsterdam", "Netherlands"),
    "Europe/Athens": ("Athens", "Greece"),
    "Europe/Belgrade": ("Belgrade", "Serbia"),
    "Europe/Berlin": ("Berlin", "Munich", "Hamburg", "Frankfurt", "Cologne", "Germany"),
    "Europe/Brussels": ("Brussels", "Belgium"),
    "Europe/Bucharest": ("Bucharest", "Romania"),
    "Europe/Budapest": ("Budapest", "Hungary"),
    "Europe/Copenhagen": ("Copenhagen", "Denmark"),
    "Europe/Dublin": ("Dublin", "Ireland"),
    "Europe/Helsinki": ("Helsinki", "Finland"),
    "Europe/Istanbul": ("Istanbul", "Ankara", "Turkey"),
    "Europe/Kyiv": ("Kyiv", "Ukraine"),
    "Europe/Lisbon": ("Lisbon",),
    "Europe/London": ("London", "Manchester", "Edinburgh", "England", "Scotland", "Britain", "United Kingdom"),
    "Europe/Luxembourg": ("Luxembourg",),
    "Europe/Madrid": ("Madrid", "Barcelona"),
    "Europe/Moscow": ("Moscow", "Saint Petersburg"),
    "Europe/Oslo": ("Oslo", "Norway"),
    "Europe/Paris": ("Paris", "Lyon", "Marseille", "France"),
    "Europe/Prague": ("Prague", "Czech Republic"),
    "Europe/Riga": ("Riga", "Latvia"),
    "Europe/Rome": ("Rome", "Milan", "Naples", "Venice", "Italy"),
    "Europe/Sofia": ("Sofia", "Bulgaria"),
    "Europe/Stockholm": ("Stockholm", "Sweden"),
    "Europe/Tallinn": ("Tallinn", "Estonia"),
    "Europe/Vienna": ("Vienna", "Austria"),
    "Europe/Vilnius": ("Vilnius", "Lithuania"),
    "Europe/Warsaw": ("Warsaw", "Krakow", "Poland"),
    "Europe/Zagreb": ("Zagreb", "Croatia"),
    "Europe/Zurich": ("Zurich", "Geneva", "Basel", "Bern", "Switzerland"),
    "Pacific/Auckland": ("Auckland", "Wellington"),
    "Pacific/Fiji": ("Fiji",),
    "Pacific/Honolulu": ("Honolulu", "Hawaii"),
    "UTC": ("UTC", "Greenwich"),
}

_OTHER_NAMES = {
    "nyc": "New York", "new york city": "New York", "washington dc": "Washington", "washington d c": "Washington", "la": "Los Angeles",
    "great britain": "Britain", "uk": "United Kingdom", "the uk": "United Kingdom", "u k": "United Kingdom", "holland": "Netherlands",
    "saigon": "Ho Chi Minh City", "bombay": "Mumbai", "calcutta": "Kolkata", "madras": "Chennai", "kiev": "Kyiv", "peking": "Beijing",
    "rio": "Rio de Janeiro", "st petersburg": "Saint Petersburg", "czechia": "Czech Republic", "u t c": "UTC", "utc": "UTC",
    "universal": "UTC", "frisco": "San Francisco", "san fran": "San Francisco", "vegas": "Las Vegas", "munchen": "Munich",
}  # fmt: skip

SEVERAL_ZONES = frozenset(
    {
        ("united", "states"), ("usa",), ("america",), ("u", "s", "a"), ("u", "s"), ("russia",), ("canada",), ("australia",), ("brazil",),
        ("mexico",), ("indonesia",), ("kazakhstan",), ("mongolia",), ("chile",), ("spain",), ("portugal",), ("new", "zealand",),
        ("ecuador",), ("europe",), ("africa",), ("asia",),
    }
)  # fmt: skip
"""Places that are known, but have no one time."""

NAMES: tuple[str, ...] = tuple(name for names in _ZONES.values() for name in names)
_ZONE_OF = {name: zone for zone, names in _ZONES.items() for name in names}
_BY_WORDS = {tuple(tokens(name)): name for name in NAMES} | {tuple(tokens(spoken)): name for spoken, name in _OTHER_NAMES.items()}


_WITH_ARTICLE = frozenset({"Netherlands", "Philippines", "United Kingdom", "Czech Republic"})


def spoken_name(name: str) -> str:
    """A name of `NAMES` as it stands in a sentence: "the Netherlands"."""
    return f"the {name}" if name in _WITH_ARTICLE else name


def zone_of(name: str) -> str:
    """The IANA time zone of a name of `NAMES`."""
    return _ZONE_OF[name]


def find(words: Sequence[str]) -> tuple[str, bool] | None:
    """The place that these words name, and whether they name it exactly; None when the table has none, or two that fit alike."""
    return _find(tuple(words))


@lru_cache(maxsize=4_096)
def _find(said: tuple[str, ...]) -> tuple[str, bool] | None:
    if said[:1] == ("the",):
        said = said[1:]
    if said in _BY_WORDS:
        return _BY_WORDS[said], True
    near = {
        name
        for words, name in _BY_WORDS.items()
        if len(words) == len(said) and all(a[0] == b[0] and close(a, b) for a, b in zip(said, words, strict=True))
    }
    return (near.pop(), False) if len(near) == 1 else None
