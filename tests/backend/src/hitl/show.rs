//! The JSON representation of assignments.

use serde_json::{Value, json};

use super::{ASSIGNMENT_DATA, Assignment};
use crate::app::App;
use crate::data::seed::{related, user};
use crate::data_collection::units;
use crate::links::FileLinks;
use crate::payloads::{Mode, Owner};
use crate::projection::{ID, Projection};

/// What the representation depends on besides the assignment.
pub(crate) struct View<'a> {
    pub(crate) app: &'a App,
    pub(crate) links: FileLinks<'a>,
    pub(crate) projection: Projection,
    pub(crate) mode: Mode,
}

/// Returns an assignment's annotation data. One that is on stand-by has none.
pub(crate) fn data(app: &App, assignment: &Assignment) -> Value {
    if assignment.status_label == "stand_by" {
        return Value::Null;
    }
    let index = app.hitl.assignments.index(assignment.id).unwrap_or(0);
    let task = assignment.task.and_then(|id| app.annotation.tasks.get(id));
    app.seed.annotation(units::kind(app, task.and_then(|task| task.data_unit)), ASSIGNMENT_DATA, index)
}

/// Returns the object that `expand=assignment` puts into a task.
pub(crate) fn short(assignment: &Assignment) -> Value {
    json!({
        "id": assignment.id,
        "user": assignment.user,
        "reviewer": assignment.reviewer,
        "status_label": assignment.status_label,
        "status_review": assignment.status_review,
        "is_confirmed": assignment.is_confirmed,
    })
}

impl View<'_> {
    pub(crate) fn assignment(&self, assignment: &Assignment) -> Value {
        let Self { app, projection, links, .. } = self;
        let task = assignment.task.and_then(|id| app.annotation.tasks.get(id));
        let unit = task.as_ref().and_then(|task| app.data.units.get(task.data_unit?));
        let owner = Owner::Assignment(assignment.id);
        let mut item = json!({
            "id": assignment.id,
            "project": related(Some(assignment.project), projection.expands("project"), |id| json!(app.annotation.projects.get(id))),
            "task": assignment.task,
            "user": related(Some(assignment.user), projection.expands("user"), user),
            "reviewer": related(assignment.reviewer, projection.expands("reviewer"), user),
            "data_unit": unit.as_ref().map(|unit| unit.id),
            "status_label": assignment.status_label,
            "status_review": assignment.status_review,
            "is_confirmed": assignment.is_confirmed,
            "is_discarded": assignment.is_discarded,
            "data": app.payloads.show(links, owner, data(app, assignment), self.mode),
            "file": unit.as_ref().and_then(|unit| units::file_list(app, unit, links).into_iter().next()),
            "files": unit.as_ref().map(|unit| units::files_by_name(app, unit, links)),
            "files_manifest": null,
            "tags": assignment.tags,
            "metadata": {"elapsed": 30 + assignment.id % 90},
            "created": assignment.created,
        });
        if let (Some(task), true) = (&task, projection.expands("task")) {
            item["task"] = json!({"id": task.id, "tags": task.tags});
        }
        if let (Some(unit), true) = (&unit, projection.expands("data_unit")) {
            item["data_unit"] = units::expanded(app, unit, links);
        }
        projection.show(item, ID)
    }

    pub(crate) fn assignment_data(&self, assignment: &Assignment) -> Value {
        let owner = Owner::Assignment(assignment.id);
        let data = self.app.payloads.show(&self.links, owner, data(self.app, assignment), self.mode);
        self.projection.show(json!({"id": assignment.id, "data": data}), ID)
    }

    pub(crate) fn assignment_files(&self, assignment: &Assignment) -> Value {
        let task = assignment.task.and_then(|id| self.app.annotation.tasks.get(id));
        let unit = task.and_then(|task| self.app.data.units.get(task.data_unit?));
        let files = unit.map(|unit| units::file_list(self.app, &unit, &self.links)).unwrap_or_default();
        self.projection.show(json!({"id": assignment.id, "files": files}), ID)
    }
}
