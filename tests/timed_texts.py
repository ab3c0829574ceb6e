"""Small files of recognisers and of programs for transcripts."""

from __future__ import annotations

import json

EAF = """\
<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="EAFv3.0.xsd">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="500"/><TIME_SLOT TIME_SLOT_ID="ts2"/>
<TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="1500"/></TIME_ORDER>
<TIER LINGUISTIC_TYPE_REF="t" TIER_ID="Anna"><ANNOTATION><ALIGNABLE_ANNOTATION
 ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE>the water
</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
<ANNOTATION_VALUE>hotel</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER LINGUISTIC_TYPE_REF="t" PARENT_REF="Anna" TIER_ID="translation"><ANNOTATION>
<REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1">
<ANNOTATION_VALUE>das Wasser</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>
"""
CHAT = """\
@UTF8
@Begin
@Participants:\tCHI Anna Target_Child, MOT Mary Mother
@ID:\teng|x|CHI|2;06.|female|||Target_Child|||
@ID:\teng|x|MOT||female|||Mother|||
*CHI:\tthe <fi> [//] water (re)cords &-uh xxx . \x15500_1500\x15
*MOT:\tand the hotel [x 2] &=laughs +/.
*MOT:\tNew_York no:: \x152000_2500\x15
@End
"""
SRT = """\
1
00:00:00,500 --> 00:00:01,500
<i>The</i> water,
21

2
00:00:02,000 --> 00:00:02,500
a hotel
"""
VTT = """\
WEBVTT

NOTE made by hand

intro
00:00.500 --> 00:01.500 position:10%
<v Anna>The <00:00:00.700><c>water</c></v>
<v.loud Bo Li>R&amp;B

00:02.000 --> 00:02.500
<v Anna>a hotel
"""
ROLLING = """\
WEBVTT
Kind: captions

00:00:00.500 --> 00:00:01.490 align:start
\x20
the<00:00:00.700><c> water</c>

00:00:01.490 --> 00:00:01.500 align:start
the water
\x20

00:00:01.500 --> 00:00:02.500 align:start
the water
a<00:00:02.000><c> hotel</c>
"""
FAVE = "a\tAnna\t0.5\t1.5\tThe water.\nb\tBo\t00:00:02.0\t2.5\tA hotel?\n"
TSV = 'start\tend\ttext\n500\t1500\t"The water\n2000\t2500\ta hotel"\n'
WORDS = [("The", 0.5, 0.7), ("water", 0.7, 1.5), ("a", 2.0, 2.1), ("hotel", 2.1, 2.5)]
WHISPERX = json.dumps(
    {
        "segments": [
            {
                "start": 0.5,
                "end": 2.5,
                "text": " The water a hotel",
                "words": [{"word": w, "start": a, "end": b, "score": 0.9} for w, a, b in WORDS],
            }
        ],
        "language": "en",
    }
)
GENTLE = json.dumps(
    {
        "transcript": "The water zyx a hotel",
        "words": [
            *({"case": "success", "word": w, "start": a, "end": b} for w, a, b in WORDS[:2]),
            {"case": "not-found-in-audio", "word": "zyx"},
            *({"case": "success", "word": w, "start": a, "end": b} for w, a, b in WORDS[2:]),
        ],
    }
)
