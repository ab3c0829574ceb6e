"""Parts of a token's image by name, as masks in seconds and hertz, and relevance within them."""

from stressnet.regions import band_regions, phone_regions, time_regions
from stressnet.regions.registry import (
    REGIONS,
    Missing,
    Region,
    Stretch,
    get_regions,
    load_regions,
    region,
)
from stressnet.regions.scene import BandRule, Scene, TokenTimes

for _module in (time_regions, phone_regions, band_regions):
    _module.add_regions()
