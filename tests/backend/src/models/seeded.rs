//! The models that exist at the start.

use std::sync::Arc;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::{MODEL_TYPES, Model, ModelContent, ModelFile};
use crate::data::{FIRST_MODEL, FIRST_PROJECT, Noise, World, mix};
use crate::settings::Settings;
use crate::time::Timestamp;

/// Microseconds between the creation of two models: a little over two days.
const STEP: i64 = 173_212_345_678;

pub(super) fn model(index: u64, settings: &Settings, world: &World) -> Model {
    let mut noise = Noise::new(mix(mix(world.seed, 4), index));
    let model_type = MODEL_TYPES[(index % 3) as usize];
    let (family, task) = match model_type {
        "classification" => ("ResNet", "분류"),
        "detection" => ("YOLO", "객체 검출"),
        _ => ("SegFormer", "영역 분할"),
    };
    let number = index / 3 + 1;
    let active = index == 0 || noise.chance(70);
    let has_file = index == 0 || noise.chance(85);
    let described = index == 0 || noise.chance(75);
    let file_name = format!("{}-{number}.pt", family.to_lowercase());
    let size = 20_000 + noise.next() % 200_000;
    Model {
        id: FIRST_MODEL + index as i64,
        name: format!("{family} {task} v{number}"),
        description: described.then(|| format!("도심 주행 데이터로 학습한 {task} 모델 ({number}차)")),
        model_type: model_type.to_owned(),
        file: has_file.then_some(ModelFile { name: file_name, content: ModelContent::Generated { size } }),
        metrics: raw(&metrics(model_type, &mut noise)),
        configuration: raw(&json!({
            "input_size": [640, 640], "num_classes": 2 + noise.below(30), "framework": "pytorch",
            "optimizer": {"name": "adamw", "lr": noise.unit() / 100.0, "schedule": null},
        })),
        project: FIRST_PROJECT + (index % settings.projects) as i64,
        is_active: active,
        created_at: Timestamp::from_micros(
            settings.newest.micros() - (settings.models - 1 - index) as i64 * STEP,
        ),
        plugin: noise.chance(50).then(|| format!("{}-trainer", family.to_lowercase())),
        version: noise.chance(80).then(|| format!("{number}.{}.0", noise.below(5))),
        checkpoint: (index >= 3 && noise.chance(40)).then_some(FIRST_MODEL + index as i64 - 3),
    }
}

fn metrics(model_type: &str, noise: &mut Noise) -> Value {
    let mut metrics = json!({
        "accuracy": 0.7 + 0.3 * noise.unit(), "precision": 0.7 + 0.3 * noise.unit(),
        "recall": 0.7 + 0.3 * noise.unit(), "f1_score": 0.7 + 0.3 * noise.unit(),
    });
    match model_type {
        "detection" => metrics["mAP"] = json!({"0.5": noise.unit(), "0.5:0.95": noise.unit()}),
        "segmentation" => metrics["mIoU"] = json!(noise.unit()),
        _ => {
            metrics["confusion"] =
                json!([[noise.below(900), noise.below(90)], [noise.below(90), noise.below(900)]])
        }
    }
    metrics
}

fn raw(value: &Value) -> Arc<RawValue> {
    // Can't fail: a Value is always serializable.
    Arc::from(to_raw_value(value).unwrap_or_default())
}
