//! Shapes: the form of an annotated data unit. A few hundred are generated, and the events cycle through
//! them.

use serde_json::{Value, json};

use crate::data::files::FileKind;
use crate::data::noise::Noise;
use crate::data::template::{Gap, Template};

const LABELS: [&str; 12] = [
    "보행자",
    "승용차",
    "트럭",
    "신호등",
    "자전거",
    "오토바이",
    "횡단보도",
    "정지선",
    "버스",
    "킥보드",
    "표지판",
    "유모차",
];
const WEATHER: [&str; 5] = ["맑음", "흐림", "비", "눈", "안개"];
const PLACES: [&str; 6] =
    ["서울 강남대로", "부산 해운대로", "대전 둔산로", "인천 송도", "제주 일주도로", "광주 상무대로"];
const WORDS: [&str; 10] =
    ["횡단보도를", "건너는", "보행자가", "신호를", "기다리며", "천천히", "승용차", "옆을", "지나", "멈췄다"];

/// The form of an event in each representation that a list can return.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) data_type: &'static str,
    /// The data in lower case, for `search`.
    pub(crate) searched: String,
    pub(crate) event: Template,
    pub(crate) data: Template,
    pub(crate) files: Template,
    pub(crate) ground_truth: Template,
}

impl Shape {
    pub(crate) fn new(noise: &mut Noise) -> Self {
        let kind = match noise.below(100) {
            0..60 => FileKind::Image,
            60..75 => FileKind::Text,
            75..85 => FileKind::Video,
            85..95 => FileKind::PointCloud,
            _ => FileKind::Audio,
        };
        let data = annotation(kind, noise).to_string();
        // About one event in eight also has its annotation as a file.
        let annotated = noise.chance(12);
        let meta = json!({
            "origin": noise.pick(&PLACES), "weather": noise.pick(&WEATHER),
            "captured": {"lat": 33.0 + 5.0 * noise.unit(), "lon": 126.0 + 3.0 * noise.unit()},
        });
        let metadata = json!({
            "annotator": format!("worker-{:03}", noise.below(200)),
            "review": noise.pick(&["approved", "approved", "revised"]), "score": noise.unit(), "round": 1 + noise.below(3),
        });

        let object = |kind: FileKind, primary: bool| {
            Template::default()
                .text("{\"url\":\"")
                .url(kind)
                .text("\",\"size\":")
                .gap(Gap::Size(kind))
                .text(&format!(",\"is_primary\":{primary},\"file_type\":\"{}\"}}", kind.data_type()))
        };
        let named = |kind: FileKind, primary: bool| {
            Template::default().text(&format!("\"{}\":", kind.name())).append(&object(kind, primary))
        };
        let listed = |kind: FileKind, primary: bool| {
            Template::default()
                .text(&format!("{{\"name\":\"{}\",\"url\":\"", kind.name()))
                .url(kind)
                .text("\",\"size\":")
                .gap(Gap::Size(kind))
                .text(&format!(",\"is_primary\":{primary},\"file_type\":\"{}\"}}", kind.data_type()))
        };
        let unit = Template::default()
            .text("{\"id\":")
            .gap(Gap::Unit)
            .text(&format!(",\"meta\":{meta},\"files\":{{"))
            .append(&named(kind, true))
            .text("}}");
        let with_annotation = Template::default()
            .append(&named(kind, true))
            .text(",")
            .append(&named(FileKind::Annotation, false));
        let files = if annotated { with_annotation.clone() } else { named(kind, true) };

        let event = Template::default()
            .text("{\"id\":")
            .gap(Gap::Id)
            .text(",\"pgh_id\":")
            .gap(Gap::EventKey)
            .text(&format!(",\"data\":{data},\"data_unit\":"))
            .append(&unit)
            .text(",\"ground_truth_dataset_version\":")
            .gap(Gap::Version)
            .text(",\"project\":")
            .gap(Gap::Project)
            .text(&format!(",\"data_type\":\"{}\",\"created_at\":\"", kind.data_type()))
            .gap(Gap::CreatedAt)
            .text(&format!("\",\"metadata\":{metadata},\"files\":{{"))
            .append(&files)
            .text("}}");
        let only_data =
            Template::default().text("{\"id\":").gap(Gap::Id).text(&format!(",\"data\":{data}}}"));
        let mut only_files = Template::default()
            .text("{\"id\":")
            .gap(Gap::Id)
            .text(",\"files\":[")
            .append(&listed(kind, true));
        if annotated {
            only_files = only_files.text(",").append(&listed(FileKind::Annotation, false));
        }
        let ground_truth = Template::default()
            .text("{\"id\":")
            .gap(Gap::GroundTruthId)
            .text(",\"ground_truth_dataset\":")
            .gap(Gap::Dataset)
            .text(",\"ground_truth_dataset_versions\":[")
            .gap(Gap::Version)
            .text("],\"data_unit\":")
            .append(&unit)
            .text(&format!(",\"data\":{data},\"files\":{{"))
            .append(&with_annotation)
            .text("},\"created_at\":\"")
            .gap(Gap::CreatedAt)
            .text("\"}");
        Self {
            data_type: kind.data_type(),
            searched: data.to_lowercase(),
            event,
            data: only_data,
            files: only_files.text("]}"),
            ground_truth,
        }
    }
}

pub(super) fn annotation(kind: FileKind, noise: &mut Noise) -> Value {
    let class = |noise: &mut Noise| json!({"class": noise.pick(&LABELS), "occluded": noise.chance(30)});
    let items: Vec<Value> = (0..1 + noise.below(2))
        .map(|i| match kind {
            FileKind::Image if i == 0 => json!({
                "id": noise.code(), "tool": "bounding_box", "classification": class(noise),
                "coordinate": {
                    "x": 1920.0 * noise.unit(), "y": 1080.0 * noise.unit(),
                    "width": 400.0 * noise.unit(), "height": 300.0 * noise.unit(),
                },
            }),
            FileKind::Image => json!({
                "id": noise.code(), "tool": "polygon", "classification": class(noise),
                "coordinate": (0..3).map(|_| json!([1920.0 * noise.unit(), 1080.0 * noise.unit()])).collect::<Vec<_>>(),
            }),
            FileKind::Text => {
                let start = noise.below(40);
                json!({
                    "id": noise.code(), "tool": "named_entity", "classification": class(noise),
                    "ranges": [{"startOffset": start, "endOffset": start + 2 + noise.below(9)}],
                    "content": (0..5).map(|_| noise.pick(&WORDS)).collect::<Vec<_>>().join(" "),
                })
            }
            FileKind::Video | FileKind::Audio => json!({
                "id": noise.code(), "tool": "segmentation", "classification": class(noise),
                "section": {"startTime": 30.0 * noise.unit(), "endTime": 30.0 + 30.0 * noise.unit()},
            }),
            FileKind::PointCloud | FileKind::Annotation => json!({
                "id": noise.code(), "tool": "3d_bounding_box", "classification": class(noise),
                "psr": {
                    "position": {"x": 80.0 * noise.unit() - 40.0, "y": 80.0 * noise.unit() - 40.0, "z": noise.unit()},
                    "rotation": {"x": 0, "y": 0, "z": 6.0 * noise.unit() - 3.0},
                    "scale": {"x": 4.0 * noise.unit(), "y": 2.0 * noise.unit(), "z": 2.0 * noise.unit()},
                },
            }),
        })
        .collect();
    json!({
        "assignmentId": noise.below(1_000_000),
        "annotations": {kind.name(): items},
        "classification": {"weather": noise.pick(&WEATHER), "confidence": noise.unit()},
    })
}
