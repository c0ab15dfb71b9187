//! The JSON representation of tasks.

use serde_json::{Value, json};

use super::{TASK_DATA, Task, TaskData};
use crate::app::App;
use crate::data::seed::{related, workshop};
use crate::data_collection::units;
use crate::hitl;
use crate::links::FileLinks;
use crate::payloads::{Mode, Owner};
use crate::projection::{ID, Projection};

/// What the representation depends on besides the task.
pub(crate) struct View<'a> {
    pub(crate) app: &'a App,
    pub(crate) links: FileLinks<'a>,
    pub(crate) projection: Projection,
    pub(crate) mode: Mode,
    pub(crate) with_annotations: bool,
}

/// Returns a task's annotation data.
pub(crate) fn data(app: &App, task: &Task) -> Value {
    match &task.data {
        TaskData::None => Value::Null,
        TaskData::Saved(data) => data.clone(),
        TaskData::Generated => {
            let index = app.annotation.tasks.index(task.id).unwrap_or(0);
            app.seed.annotation(units::kind(app, task.data_unit), TASK_DATA, index)
        }
    }
}

impl View<'_> {
    pub(crate) fn task(&self, task: &Task) -> Value {
        let Self { app, projection, links, .. } = self;
        let index = app.annotation.tasks.index(task.id).unwrap_or(0);
        let assignment = app.hitl.assignments.row(index);
        let status = match (&task.data, task.submitted) {
            (_, true) => "completed",
            (TaskData::None, false) => "pending",
            (_, false) => "in_progress",
        };
        let unit = task.data_unit.and_then(|id| app.data.units.get(id));
        let meta = if task.meta.is_null() {
            json!({"weather": "맑음", "round": index % 3})
        } else {
            task.meta.clone()
        };
        let mut item = json!({
            "id": task.id,
            "project": related(Some(task.project), projection.expands("project"), |id| json!(app.annotation.projects.get(id))),
            "workshop": related(task.workshop, projection.expands("workshop"), workshop),
            "data_unit": task.data_unit,
            "data": app.payloads.show(links, Owner::Task(task.id), data(app, task), self.mode),
            "meta": meta,
            "schema": task.schema,
            "is_discarded": task.is_discarded,
            "has_data": !matches!(task.data, TaskData::None),
            "status": status,
            "files": unit.as_ref().map(|unit| units::files_by_name(app, unit, links)),
            "files_manifest": null,
            "tags": task.tags,
            "created": task.created,
        });
        if let (Some(unit), true) = (&unit, projection.expands("data_unit")) {
            item["data_unit"] = units::expanded(app, unit, links);
        }
        if projection.expands("tags") {
            item["tags"] = task.tags.iter().filter_map(|id| app.annotation.tags.get(*id)).collect();
        }
        if projection.expands("assignment") {
            item["assignment"] = json!(assignment.as_ref().map(hitl::show::short));
        }
        if self.with_annotations || projection.asks("annotations") {
            let list = assignment.iter().map(|assignment| {
                json!({"id": assignment.id, "user": assignment.user, "data": hitl::show::data(app, assignment)})
            });
            item["annotations"] = list.collect();
        }
        projection.show(item, ID)
    }

    pub(crate) fn task_data(&self, task: &Task) -> Value {
        let data = self.app.payloads.show(&self.links, Owner::Task(task.id), data(self.app, task), self.mode);
        self.projection.show(json!({"id": task.id, "data": data}), ID)
    }

    pub(crate) fn task_files(&self, task: &Task) -> Value {
        let unit = task.data_unit.and_then(|id| self.app.data.units.get(id));
        let files = unit.map(|unit| units::file_list(self.app, &unit, &self.links)).unwrap_or_default();
        self.projection.show(json!({"id": task.id, "files": files}), ID)
    }
}
