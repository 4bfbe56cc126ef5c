"""The extractors by name: what each was published with. Without torch, so that a table of them is quick.

Sizes of frames, crops and scales follow the programs that made the published features; where those are silent, the
candidates stand as named options and the note says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from extractors.movinet_sizes import SIZES, MovinetSize
from extractors.spec import ExtractorSpec

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
NON_COMMERCIAL = "CC-BY-NC-4.0"

I3D_NOTE = (
    "Shipped THUMOS features do not say whether frames were centre-cropped, squashed ('resize') or ten-cropped, "
    "nor with which filter they were scaled to 340x256. Weights of either published port load; heads were trained "
    "on the piergiaj port's."
)
FLOW_NOTE = (
    "Takes 8-bit flow images (x, y); TV-L1 clipped to [-20, 20] is what the weights were trained with. " + I3D_NOTE
)
V2_NOTE = (
    "The published extraction script scales to [0, 1] only, although training subtracted ImageNet's mean: option "
    "'imagenet'. It squashes frames to a square without antialiasing. The weights' licence: Apache-2.0 where they "
    "lie, but their first release was by request and the same networks are CC-BY-NC-4.0 elsewhere."
)
TSP_NOTE = (
    "Frames are resized as floats without antialiasing, as published. Published features are of videos that had "
    "been encoded again at 30 frames a second: the original files give slightly other ones. The 15 frames of a "
    "second are those nearest in time; the published code takes the one at or before. THUMOS14 features: weights "
    "r2plus1d-tsp-thumos14, stride 1."
)
EPIC_NOTE = (
    "Documented: 30 frames a second, 32x256x256, stride 16, global average pool (ActionFormer). Not documented: "
    "which weights, and how frames came to 256x256; crop, filter and blue before red are those of the repository "
    "of the EPIC-KITCHENS model, which read its images with OpenCV. Option 'rgb': red first."
)
K400_NOTE = (
    "Of no published localizer. Trained on every second frame of 30 a second, which 15 frames a second stand for."
)
MOVINET_NOTE = (
    "600 everyday actions (Kinetics-600); its authors classify 50 to 120 frames at once, 10 seconds of video."
)
STREAM_NOTE = (
    "Causal: the state goes from the first frame of a video to the last. Option 'frame': the feature of each frame "
    "before the mean over all frames so far, which changes ever more slowly. " + MOVINET_NOTE
)


@dataclass(frozen=True)
class ExtractorRecord:
    """One extractor: its conventions, the options its recipe leaves open, and who builds it.

    Attributes:
        spec: The conventions, with the default option.
        builder: ``module:function`` inside this package, imported when something is built.
        options: Other preprocessing by option name.
    """

    spec: ExtractorSpec
    builder: str
    options: dict[str, ExtractorSpec] = field(default_factory=dict[str, ExtractorSpec])

    @property
    def weights(self) -> tuple[str, ...]:
        """Keys in the weights manifest, one per state dict that ``build`` takes, in its order."""
        return tuple(self.spec.weights.split("+")) if self.spec.weights else ()

    def with_option(self, option: str | None) -> ExtractorSpec:
        """The conventions under a named option; None or its own name give the default.

        Raises:
            ValueError: There is no such option.
        """
        choices = {self.spec.option: self.spec, **self.options}
        if option is None:
            return self.spec
        if option not in choices:
            raise ValueError(f"{self.spec.name} has no option {option!r}; there are {', '.join(choices)}")
        return choices[option]


def _i3d(name: str, modality: str, width: int, parameters: int) -> ExtractorRecord:
    spec = ExtractorSpec(
        name=name,
        width=width,
        window_frames=16,
        stride_frames=4,
        rate=None,
        resize=(340, 256),
        short_side=None,
        crop=224,
        antialias=True,
        mean=(0.5,),
        std=(0.5,),
        layer="average pool 2x7x7 before the logits",
        weights="i3d-rgb+i3d-flow" if modality == "rgb+flow" else name,
        weights_licence="Apache-2.0",
        modality=modality,
        note=I3D_NOTE if modality == "rgb" else FLOW_NOTE,
        option="centre-crop",
        byte_resize=True,
        window_range=(9, 1 << 12),
        parameters=parameters,
    )
    options = {"resize": replace(spec, option="resize", crop=None, squash=224)}
    if modality == "rgb":  # how the ten-crop recipe mirrors the x component of flow is not documented
        options["ten-crop"] = replace(spec, option="ten-crop", ten_crop=True)
    return ExtractorRecord(spec, "i3d:build_i3d", options)


def _videomae(name: str, width: int, parameters: int) -> ExtractorRecord:
    spec = ExtractorSpec(
        name=name,
        width=width,
        window_frames=16,
        stride_frames=4,
        rate=None,
        resize=None,
        short_side=224,
        crop=224,
        antialias=True,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        layer="mean over tokens, then fc_norm",
        weights=name,
        weights_licence=NON_COMMERCIAL,
        note="Trained on frames 4 apart; localization features take them 1 apart, at strides that differ.",
        option="processor",
        byte_resize=True,
        window_range=(16, 16),
        parameters=parameters,
    )
    return ExtractorRecord(spec, "videomae:build_videomae")


def _videomae_v2(name: str, width: int, parameters: int) -> ExtractorRecord:
    spec = ExtractorSpec(
        name=name,
        width=width,
        window_frames=16,
        stride_frames=4,
        rate=None,
        resize=(224, 224),
        short_side=None,
        crop=None,
        antialias=False,
        mean=(0.0,),
        std=(1.0,),
        layer="mean over tokens, then fc_norm",
        weights=name,
        weights_licence="Apache-2.0 (disputed)",
        note=V2_NOTE,
        option="unit",
        window_range=(16, 16),
        parameters=parameters,
    )
    imagenet = replace(spec, option="imagenet", mean=IMAGENET_MEAN, std=IMAGENET_STD)
    return ExtractorRecord(spec, "videomae:build_videomae", {"imagenet": imagenet})


def _slowfast(name: str, rate: float, licence: str, note: str) -> ExtractorRecord:
    spec = ExtractorSpec(
        name=name,
        width=2304,
        window_frames=32,
        stride_frames=16,
        rate=rate,
        resize=None,
        short_side=256,
        crop=256,
        antialias=False,
        mean=(0.45,),
        std=(0.225,),
        layer="global average pool of the slow, then of the fast pathway",
        weights=name,
        weights_licence=licence,
        note=note,
        option="rgb",
        crop_rounds_up=True,
        window_range=(32, 32),
        parameters=33_614_144,
    )
    return ExtractorRecord(spec, "slowfast_weights:build_slowfast")


def _slowfast_epic() -> ExtractorRecord:
    record = _slowfast("slowfast-r50-epic100", 30.0, "CC-BY-NC-SA-4.0", EPIC_NOTE)
    return replace(record, spec=replace(record.spec, option="bgr", bgr=True), options={"rgb": record.spec})


def _movinet(size: MovinetSize) -> ExtractorRecord:
    name = f"movinet-{size.name}"
    spec = ExtractorSpec(
        name=name,
        width=size.width,
        window_frames=16,
        stride_frames=4,
        rate=size.rate,
        resize=None,
        short_side=size.short_side,
        crop=size.side,
        antialias=False,
        mean=(0.0,),
        std=(1.0,),
        layer="mean of conv7 over the clip",
        weights=name,
        weights_licence="MIT (Apache-2.0)",
        note=MOVINET_NOTE,
        window_range=(1, 1 << 12),
        parameters=size.parameters,
    )
    return ExtractorRecord(spec, "movinet:build_movinet")


def _movinet_stream(size: MovinetSize) -> ExtractorRecord:
    record = _movinet(size)
    pooled = replace(
        record.spec,
        name=f"movinet-{size.name}-stream",
        weights=f"movinet-{size.name}-stream",
        window_frames=1,
        stride_frames=1,
        window_range=(1, 1),
        layer="mean of conv7 over all frames so far",
        note=STREAM_NOTE,
        option="pooled",
        parameters=size.stream_parameters,
        causal=True,
    )
    frame = replace(pooled, option="frame", layer="mean of conv7 over the frame")
    return replace(record, spec=pooled, options={"frame": frame})


R2PLUS1D_TSP = ExtractorSpec(
    name="r2plus1d-tsp",
    width=512,
    window_frames=16,
    stride_frames=16,
    rate=15.0,
    resize=(171, 128),
    short_side=None,
    crop=112,
    antialias=False,
    mean=(0.43216, 0.394666, 0.37645),
    std=(0.22803, 0.22145, 0.216989),
    layer="global average pool",
    weights="r2plus1d-tsp",
    weights_licence="MIT",
    note=TSP_NOTE,
    crop_rounds_up=True,
    window_range=(16, 16),
    parameters=63_466_831,
)

DEMO = ExtractorSpec(
    name="demo",
    width=256,
    window_frames=16,
    stride_frames=4,
    rate=None,
    resize=(112, 112),
    short_side=None,
    crop=None,
    antialias=True,
    mean=(0.5,),
    std=(0.25,),
    layer="projection of the mean and peak over space of four cells",
    weights="demo",
    weights_licence="MIT",
    note="Knows drawn figures only; of no use on real footage.",
    byte_resize=True,
    window_range=(16, 16),
    parameters=778_768,
)

EXTRACTORS: dict[str, ExtractorRecord] = {
    "i3d-rgb": _i3d("i3d-rgb", "rgb", 1024, 12_279_984),
    "i3d-flow": _i3d("i3d-flow", "flow", 1024, 12_258_032),
    "i3d": _i3d("i3d", "rgb+flow", 2048, 24_538_016),
    "videomae-small": _videomae("videomae-small", 384, 21_879_936),
    "videomae-base": _videomae("videomae-base", 768, 86_227_200),
    "videomae-large": _videomae("videomae-large", 1024, 303_860_736),
    "videomae-huge": _videomae("videomae-huge", 1280, 631_607_040),
    "videomaev2-small": _videomae_v2("videomaev2-small", 384, 21_879_936),
    "videomaev2-base": _videomae_v2("videomaev2-base", 768, 86_227_200),
    "videomaev2-giant": _videomae_v2("videomaev2-giant", 1408, 1_011_610_752),
    "r2plus1d-tsp": ExtractorRecord(R2PLUS1D_TSP, "r2plus1d:build_r2plus1d"),
    "slowfast-r50-epic100": _slowfast_epic(),
    "slowfast-r50-k400": _slowfast("slowfast-r50-k400", 15.0, "Apache-2.0", K400_NOTE),
    **{f"movinet-{name}-stream": _movinet_stream(SIZES[name]) for name in ("a0", "a1", "a2")},
    **{f"movinet-{name}": _movinet(size) for name, size in SIZES.items()},
    "demo": ExtractorRecord(DEMO, "demo:build_demo"),
}
"""Every extractor that the command line knows, by name."""
