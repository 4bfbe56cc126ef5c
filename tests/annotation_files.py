"""Files of annotation tools, written for the tests after the form of public ones (docs/annotation-formats.md)."""

from __future__ import annotations

import json

ELAN = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-02-01T10:14:04+01:00" FORMAT="2.8" VERSION="2.8" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv2.8.xsd">
    <LICENSE LICENSE_URL=""/>
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
        <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/Users/ann/kitchen%2001.mp4" MIME_TYPE="video/mp4" RELATIVE_MEDIA_URL="./kitchen%2001.mp4"/>
        <PROPERTY NAME="lastUsedAnnotationId">7</PROPERTY>
    </HEADER>
    <TIME_ORDER>
        <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1800"/>
        <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2000"/>
        <TIME_SLOT TIME_SLOT_ID="ts3"/>
        <TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="2401"/>
        <TIME_SLOT TIME_SLOT_ID="ts5" TIME_VALUE="61001"/>
    </TIME_ORDER>
    <TIER LINGUISTIC_TYPE_REF="action" PARTICIPANT="A" TIER_ID="hands">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts4">
                <ANNOTATION_VALUE>stir &amp; pour</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" SVG_REF="x" TIME_SLOT_REF1="ts4" TIME_SLOT_REF2="ts5">
                <ANNOTATION_VALUE></ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="verb" PARENT_REF="hands" TIER_ID="hands verb">
        <ANNOTATION>
            <REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1">
                <ANNOTATION_VALUE>stir</ANNOTATION_VALUE>
            </REF_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="halves" PARENT_REF="hands" TIER_ID="halves">
        <ANNOTATION>
            <REF_ANNOTATION ANNOTATION_ID="a4" ANNOTATION_REF="a1">
                <ANNOTATION_VALUE>first</ANNOTATION_VALUE>
            </REF_ANNOTATION>
        </ANNOTATION>
        <ANNOTATION>
            <REF_ANNOTATION ANNOTATION_ID="a5" ANNOTATION_REF="a1" PREVIOUS_ANNOTATION="a4">
                <ANNOTATION_VALUE>second</ANNOTATION_VALUE>
            </REF_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="action" TIER_ID="gaze">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a6" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
                <ANNOTATION_VALUE>pan</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="action" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""

BORIS_AGGREGATED = """Observation id\tObservation date\tDescription\tMedia file\tTotal length\tFPS\tweather\tSubject\tBehavior\tBehavioral category\tModifiers\tBehavior type\tStart (s)\tStop (s)\tDuration (s)\tComment start\tComment stop
obs 2\t2016-12-01 23:01:31\tsecond\tclips/barn_1.mp4\t539.920\t25.0\train\tNo focal subject\twalk\tmoving\t\tSTATE\t1.800\t8.125\t6.325\t\t
obs 2\t2016-12-01 23:01:31\tsecond\tclips/barn_1.mp4\t539.920\t25.0\train\tcow 1\tlook\t\t\tPOINT\t32.825\t32.825\tNA\t\t
obs 2\t2016-12-01 23:01:31\tsecond\tclips/barn_2.mp4\t539.920\t25.0\train\tcow 2\twalk\tmoving\t\tSTATE\t4.000\t9.040\t5.040\t\t
"""

BORIS_TABULAR = """Observation id\tobs 1\t\t\t\t\t\t\t
\t\t\t\t\t\t\t\t
Media file(s)\t\t\t\t\t\t\t\t
Player #1\tbarn_1.mp4\t\t\t\t\t\t\t
Time offset (s)\t0.0\t\t\t\t\t\t\t
\t\t\t\t\t\t\t\t
Time\tMedia file path\tTotal length\tFPS\tSubject\tBehavior\tBehavioral category\tComment\tStatus
3.300\tbarn_1.mp4\t359.960\t25.0\tcow 1\twalk\t\t\tSTART
5.100\tbarn_1.mp4\t359.960\t25.0\tcow 2\twalk\t\t\tSTART
5.500\tbarn_1.mp4\t359.960\t25.0\tcow 2\tlook\t\t\tPOINT
7.750\tbarn_1.mp4\t359.960\t25.0\tcow 1\twalk\t\t\tSTOP
9.900\tbarn_1.mp4\t359.960\t25.0\tcow 2\twalk\t\t\tSTOP
"""

VIA_PROJECT = json.dumps(
    {
        "project": {
            "pid": "__VIA_PROJECT_ID__", "rev": "__VIA_PROJECT_REV_ID__",
            "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__", "pname": "echo", "creator": "VGG Image Annotator",
            "created": 1634100000000, "vid_list": ["1", "2"],
        },
        "config": {"file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}}, "ui": {}},
        "attribute": {
            "1": {"aname": "activity", "anchor_id": "FILE1_Z2_XY0", "type": 4, "desc": "",
                  "options": {"0": "run", "1": "jump"}, "default_option_id": ""},
            "2": {"aname": "remark", "anchor_id": "FILE1_Z2_XY0", "type": 1, "desc": "", "options": {},
                  "default_option_id": ""},
            "3": {"aname": "who", "anchor_id": "FILE1_Z2_XY0", "type": 2, "desc": "",
                  "options": {"0": "Ann", "1": "Ben"}, "default_option_id": ""},
        },
        "file": {
            "1": {"fid": "1", "fname": "yard.mp4", "type": 4, "loc": 1, "src": ""},
            "2": {"fid": "2", "fname": "gate.webm", "type": 4, "loc": 2, "src": "https://example.org/v/gate.webm"},
        },
        "metadata": {
            "1_yn55XtFN": {"vid": "1", "flg": 0, "z": [95.19215, 97.57965], "xy": [], "av": {"1": "0"}},
            "1_vLf9kBXH": {"vid": "1", "flg": 0, "z": [96, 99.5], "xy": [], "av": {"1": "1", "2": "high", "3": "0,1"}},
            "1_wholefil": {"vid": "1", "flg": 0, "z": [], "xy": [], "av": {"2": "sunny"}},
            "1_regionxx": {"vid": "1", "flg": 0, "z": [2.4], "xy": [2, 162.2, 176.2, 639.4, 192.4], "av": {"1": "0"}},
            "1_novaluex": {"vid": "1", "flg": 0, "z": [1, 2], "xy": [], "av": {}},
            "2_mAqPTQBs": {"vid": "2", "flg": 0, "z": [0.5], "xy": [], "av": {"1": "0"}},
        },
        "view": {"1": {"fid_list": ["1"]}, "2": {"fid_list": ["2"]}},
    }
)  # fmt: skip

VIA_CSV = """# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)
# Notes:
# - temporal coordinate of [1.349,2.741] denotes a temporal segment from time 1.346 sec. to 2.741 sec.
# SHAPE_ID = {"POINT":1,"RECTANGLE":2}
# FLAG_ID = {"RESERVED_FOR_FUTURE":1}
# ATTRIBUTE = {"3":{"aname":"Scene","anchor_id":"FILE1_Z2_XY0","type":1,"desc":"Video part","options":{},"default_option_id":""},"4":{"aname":"Kind","anchor_id":"FILE1_Z2_XY0","type":3,"desc":"","options":{"0":"Title","6":"Other"},"default_option_id":"6"}}
# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata
"1_j5sJvB9h","[""talk-française.mp4""]",0,"[1.124,5.31493]","[]","{""3"":""main, title"",""4"":""0""}"
"1_zYQJk2sM","[""talk-française.mp4""]",0,"[2.41892]","[2,162.262,176.21971,639.45,192.49481]","{""4"":""6""}"
"""

LABEL_STUDIO = json.dumps(
    [
        {
            "id": 7,
            "data": {"video": "/data/upload/3/0a1b2c3d-street_cam.mp4"},
            "annotations": [
                {"id": 1, "was_cancelled": True, "result": [{"value": {"ranges": [{"start": 1, "end": 9}],
                 "timelinelabels": ["wrong"]}, "from_name": "videoLabels", "type": "timelinelabels"}]},
                {"id": 2, "was_cancelled": False, "result": [
                    {"id": "aB", "from_name": "videoLabels", "to_name": "video", "type": "timelinelabels",
                     "origin": "manual", "value": {"ranges": [{"start": 1, "end": 50}], "timelinelabels": ["walk"]}},
                    {"id": "cD", "from_name": "videoLabels", "to_name": "video", "type": "timelinelabels",
                     "value": {"ranges": [{"start": 51, "end": 51}], "timelinelabels": ["stop", "look"]}},
                    {"id": "eF", "from_name": "sound", "to_name": "audio", "type": "labels",
                     "value": {"start": 0.25, "end": 1.5, "channel": 0, "labels": ["horn"]}},
                    {"id": "gH", "from_name": "box", "to_name": "video", "type": "videorectangle",
                     "value": {"sequence": [{"frame": 1, "x": 1, "y": 1}], "labels": ["car"]}},
                ]},
            ],
        }
    ]
)  # fmt: skip

LABEL_STUDIO_SMALL = json.dumps(
    [{"video": "s3://bucket/cam%202.mp4", "id": 9, "annotator": 1,
      "videoLabels": [{"ranges": [{"start": 26, "end": 75}], "timelinelabels": ["run"]}]}]
)  # fmt: skip

AUDACITY = "0.000000\t1.250000\tclap\n1,000000\t2,500000\tspeech (A)\n\\\t1200.0\t3000.0\n4.000000\t4.000000\tclick\n"

TEXTGRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.3
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "Mary 2"
        xmin = 0
        xmax = 2.3
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 1.125
            text = ""
        intervals [2]:
            xmin = 1.125
            xmax = 1.9
            text = "says ""hello"" 3"
        intervals [3]:
            xmin = 1.9
            xmax = 2.3
            text = ""
    item [2]:
        class = "IntervalTier"
        name = "John"
        xmin = 0
        xmax = 2.3
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 2.3
            text = "nods"
    item [3]:
        class = "TextTier"
        name = "bell"
        xmin = 0
        xmax = 2.3
        points: size = 1
        points [1]:
            number = 1.5
            mark = "ding"
"""

TEXTGRID_SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
2.3
<exists>
2
"IntervalTier"
"Mary 2"
0
2.3
2
0
1.125
""
1.125
2.3
"says ""hello"" 3"
"TextTier"
"bell"
0
2.3
1
1.5
"ding"
"""

ANVIL = """<?xml version="1.0" encoding="UTF-16"?>
<annotation>
  <head>
    <specification src="../gesture-spec.xml"/>
    <video src="extra.avi"/>
    <video src="C:\\clips\\talk 1.mov" master="true"/>
    <info key="coder" type="String">Ann</info>
  </head>
  <body>
    <track name="wave" type="waveform"/>
    <track name="gesture.phase" type="primary">
      <el index="0" start="1.5" end="2.25">
        <attribute name="type">stroke</attribute>
        <comment>unsure</comment>
      </el>
      <el index="1" start="2.25" end="3.04">
        <attribute name="type">hold &amp; wait</attribute>
      </el>
      <el index="2" start="4" end="5"/>
    </track>
    <track name="gesture.phrase" type="span" ref="gesture.phase">
      <el index="0" start="0" end="1">
        <attribute name="kind">beat</attribute>
        <attribute name="hand">left</attribute>
        <attribute name="lexeme"><value-link ref-track="words" ref-index="0"/></attribute>
      </el>
    </track>
    <track name="copies" type="singleton" ref="gesture.phrase">
      <el index="0" ref="0">
        <attribute name="same">phrase again</attribute>
      </el>
    </track>
    <track name="thirds" type="subdivision" ref="gesture.phase">
      <el-group ref="2">
        <el index="0">
          <attribute name="part">first</attribute>
        </el>
        <el index="1" start="4.25">
          <attribute name="part">second</attribute>
        </el>
        <el index="2" start="4.75">
          <attribute name="part">third</attribute>
        </el>
      </el-group>
    </track>
    <track name="beeps" type="primarypoint">
      <el index="0" time="0.52">
        <attribute name="tone">high</attribute>
      </el>
    </track>
  </body>
</annotation>
"""

BORIS_PROJECT = json.dumps(
    {
        "time_format": "hh:mm:ss",
        "project_date": "2024-02-28T01:55:22",
        "project_name": "barn",
        "subjects_conf": {"0": {"key": "1", "name": "cow 1", "description": ""}},
        "observations": {
            "morning": {
                "type": "MEDIA",
                "time offset": 100.0,
                "file": {"1": ["clips/barn_1.mp4", "clips/barn_2.mp4"], "2": ["clips/above.mp4"]},
                "media_info": {
                    "length": {"clips/barn_1.mp4": 20.0, "clips/barn_2.mp4": 30.0, "clips/above.mp4": 50.0},
                    "fps": {"clips/barn_1.mp4": 25.0, "clips/barn_2.mp4": 50.0},
                },
                "events": [
                    [101.5, "cow 1", "walk", "", "", "NA"],
                    [102.0, "", "look", "left", "", "NA"],
                    [102.25, "", "walk", "fast", "", "NA"],
                    [103.0, "", "walk", "slow", "", "NA"],
                    [104.75, "cow 1", "walk", "", "done", "NA"],
                    [105.0, "", "walk", "fast", "", "NA"],
                    [122.5, "", "walk", "slow", "", "NA"],
                    [120.0, "", "look", "", "", "NA"],
                ],
            },
            "again": {"type": "MEDIA", "file": {"1": ["barn_1.mp4"]}, "events": [[7.0, "cow 1", "look", "", ""]]},
            "by eye": {"type": "LIVE", "file": {}, "events": [[1.0, "", "walk", "", ""]]},
        },
        "behaviors_conf": {
            "0": {"type": "Point event", "key": "L", "code": "look"},
            "1": {"type": "State event", "key": "W", "code": "walk"},
        },
        "project_format_version": "7.0",
    },
    indent=1,
)
