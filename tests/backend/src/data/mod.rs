//! The data that the backend serves. No event is stored: each is computed from its index.
//!
//! Events cycle through [`SLOTS`] fixed slots. A slot determines an event's dataset version and its
//! [`Shape`]. So every filter is a set of slots, counting is arithmetic, and a page of any selection costs
//! the same for ten events and for ten million.

pub(crate) mod files;
mod noise;
pub(crate) mod seed;
mod shapes;
mod template;

pub(crate) use noise::{Noise, mix};
pub(crate) use shapes::Shape;
pub(crate) use template::Values;

use std::ops::Range;
use std::sync::OnceLock;

use crate::settings::Settings;
use crate::time::Timestamp;

const SLOTS: u64 = 4096;
const SHAPES: usize = 256;
/// Microseconds from one event to the next: a little over 37 seconds.
const STEP: i64 = 37_123_457;

pub(crate) const FIRST_MODEL: i64 = 456;
pub(crate) const FIRST_EVENT: i64 = 1001;
pub(crate) const FIRST_PROJECT: i64 = 123;
pub(crate) const FIRST_DATASET: i64 = 7;
pub(crate) const FIRST_VERSION: i64 = 123;
const FIRST_EVENT_KEY: i64 = 9_000_001;
const FIRST_UNIT: i64 = 50_001;
const FIRST_GROUND_TRUTH: i64 = 700_001;

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) events: u64,
    pub(crate) versions: u64,
    datasets: u64,
    projects: u64,
    events_per_id: u64,
    newest: Timestamp,
    /// The version's number and the shape's number of each slot.
    slots: Vec<(u16, u16)>,
    /// Created on first use, so that a test of uploads doesn't wait for them.
    shapes: OnceLock<Vec<Shape>>,
}

impl World {
    pub(crate) fn new(settings: &Settings) -> Self {
        let mut noise = Noise::new(mix(settings.seed, 1));
        let versions = settings.versions as usize;
        let slots = (0..SLOTS as usize)
            .map(|slot| {
                // The first slots give each version at least one event. Later versions get more events than
                // earlier ones.
                let version =
                    if slot < versions { slot } else { noise.below(versions).max(noise.below(versions)) };
                (version as u16, noise.below(SHAPES) as u16)
            })
            .collect();
        Self {
            seed: settings.seed,
            events: settings.events,
            versions: settings.versions,
            datasets: settings.datasets,
            projects: settings.projects,
            events_per_id: settings.events_per_id.max(1),
            newest: settings.newest,
            slots,
            shapes: OnceLock::new(),
        }
    }

    fn shapes(&self) -> &[Shape] {
        self.shapes.get_or_init(|| {
            let mut noise = Noise::new(mix(self.seed, 2));
            (0..SHAPES).map(|_| Shape::new(&mut noise)).collect()
        })
    }

    pub(crate) fn shape(&self, index: u64) -> &Shape {
        &self.shapes()[usize::from(self.slots[(index % SLOTS) as usize].1)]
    }

    /// Returns the values for an event's template.
    pub(crate) fn values<'a>(&self, index: u64, origin: &'a str, signature: &'a str) -> Values<'a> {
        let version = u64::from(self.slots[(index % SLOTS) as usize].0);
        let id = FIRST_EVENT + (index / self.events_per_id) as i64;
        let index = index as i64;
        Values {
            seed: self.seed,
            id,
            key: FIRST_EVENT_KEY + index,
            ground_truth_id: FIRST_GROUND_TRUTH + index,
            unit: FIRST_UNIT + index,
            version: FIRST_VERSION + version as i64,
            project: self.project_of(version),
            dataset: self.dataset_of(version),
            created_at: self.created_at(index as u64),
            origin,
            signature,
        }
    }

    /// Events with a higher index are newer; the last one is the newest.
    fn created_at(&self, index: u64) -> Timestamp {
        let back = self.events.saturating_sub(1).saturating_sub(index);
        let jitter = (mix(self.seed, index) % 20_000_000) as i64;
        let jitter = if back == 0 { 0 } else { jitter };
        Timestamp::from_micros(self.newest.micros() - (back as i64).saturating_mul(STEP) + jitter)
    }

    pub(crate) fn dataset_of(&self, version: u64) -> i64 {
        FIRST_DATASET + (version % self.datasets) as i64
    }

    pub(crate) fn project_of(&self, version: u64) -> i64 {
        FIRST_PROJECT + (version % self.datasets % self.projects) as i64
    }

    pub(crate) fn has_version(&self, id: i64) -> bool {
        place(id, FIRST_VERSION, self.versions).is_some()
    }

    pub(crate) fn has_project(&self, id: i64) -> bool {
        place(id, FIRST_PROJECT, self.projects).is_some()
    }

    pub(crate) fn has_unit(&self, id: i64) -> bool {
        place(id, FIRST_UNIT, self.events).is_some()
    }

    pub(crate) fn event_index(&self, id: i64) -> Option<u64> {
        // If several events share the id, this is the first of them.
        place(id, FIRST_EVENT, self.events.div_ceil(self.events_per_id))
            .map(|place| place * self.events_per_id)
    }

    /// Selects the events that pass all filters of `choice`.
    pub(crate) fn select(&self, choice: &Choice<'_>) -> Selection {
        let whole_round = choice.versions.is_none()
            && choice.project.is_none()
            && choice.dataset.is_none()
            && choice.data_type.is_none()
            && choice.search.is_empty();
        let slots = (!whole_round).then(|| {
            let takes_shape: Vec<bool> = if choice.data_type.is_none() && choice.search.is_empty() {
                vec![true; SHAPES]
            } else {
                self.shapes().iter().map(|shape| choice.takes_shape(shape)).collect()
            };
            let takes_version: Vec<bool> = (0..self.versions)
                .map(|version| {
                    let id = FIRST_VERSION + version as i64;
                    choice.versions.as_ref().is_none_or(|ids| ids.contains(&id))
                        && choice.project.is_none_or(|id| id == self.project_of(version))
                        && choice.dataset.is_none_or(|id| id == self.dataset_of(version))
                })
                .collect();
            let takes = |(version, shape): &(u16, u16)| {
                takes_version[usize::from(*version)] && takes_shape[usize::from(*shape)]
            };
            (0..SLOTS).zip(&self.slots).filter(|(_, slot)| takes(slot)).map(|(number, _)| number).collect()
        });
        let mut selection = Selection { slots, skipped: 0, len: 0 };
        selection.skipped = choice.created_after.map_or(0, |time| selection.rank(self.first_after(time)));
        selection.len = selection.rank(self.events) - selection.skipped;
        selection
    }

    /// Returns the index of the first event created at `time` or later.
    fn first_after(&self, time: Timestamp) -> u64 {
        let mut range = 0..self.events;
        while !range.is_empty() {
            let middle = range.start + (range.end - range.start) / 2;
            range = if self.created_at(middle) < time { middle + 1..range.end } else { range.start..middle };
        }
        range.start
    }
}

/// Returns the position of this id among `count` objects whose ids start at `first`. The id comes from a
/// client, so the subtraction may overflow.
fn place(id: i64, first: i64, count: u64) -> Option<u64> {
    u64::try_from(id.checked_sub(first)?).ok().filter(|place| *place < count)
}

/// The filters of a list of events.
#[derive(Debug, Default)]
pub(crate) struct Choice<'a> {
    pub(crate) versions: Option<Vec<i64>>,
    pub(crate) project: Option<i64>,
    pub(crate) dataset: Option<i64>,
    pub(crate) data_type: Option<&'a str>,
    pub(crate) search: Vec<String>,
    pub(crate) created_after: Option<Timestamp>,
}

impl Choice<'_> {
    fn takes_shape(&self, shape: &Shape) -> bool {
        self.data_type.is_none_or(|data_type| data_type == shape.data_type)
            && self.search.iter().all(|word| shape.searched.contains(word.as_str()))
    }
}

/// Selected events in order, addressed by their position in the selection.
#[derive(Debug)]
pub(crate) struct Selection {
    /// The selected slots; `None` means all.
    slots: Option<Vec<u64>>,
    skipped: u64,
    len: u64,
}

impl Selection {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Returns the indices of the events at these positions.
    pub(crate) fn indices(&self, places: Range<u64>) -> impl Iterator<Item = u64> + '_ {
        places.filter_map(|place| self.index(place + self.skipped))
    }

    fn index(&self, place: u64) -> Option<u64> {
        let Some(slots) = &self.slots else { return Some(place) };
        let in_round = slots.len() as u64;
        Some(place.checked_div(in_round)? * SLOTS + slots[(place % in_round) as usize])
    }

    /// Returns how many selected events have an index below this one.
    fn rank(&self, index: u64) -> u64 {
        let Some(slots) = &self.slots else { return index };
        index / SLOTS * slots.len() as u64 + slots.partition_point(|slot| *slot < index % SLOTS) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::{Choice, FIRST_VERSION, SLOTS, World};
    use crate::settings::Settings;

    #[test]
    fn selections_agree_with_a_scan() {
        let world = World::new(&Settings { events: 2 * SLOTS + 1234, ..Settings::default() });
        let late = world.created_at(SLOTS + 77);
        let choices = [
            Choice::default(),
            Choice { created_after: Some(late), ..Choice::default() },
            Choice { versions: Some(vec![FIRST_VERSION + 2, FIRST_VERSION]), ..Choice::default() },
            Choice { data_type: Some("text"), created_after: Some(late), ..Choice::default() },
            Choice { search: vec!["보행자".to_owned()], project: Some(123), ..Choice::default() },
            Choice { data_type: Some("smell"), ..Choice::default() },
        ];
        for choice in choices {
            let selection = world.select(&choice);
            let scanned: Vec<u64> = (0..world.events)
                .filter(|index| {
                    let values = world.values(*index, "", "");
                    choice.versions.as_ref().is_none_or(|ids| ids.contains(&values.version))
                        && choice.project.is_none_or(|id| id == values.project)
                        && choice.created_after.is_none_or(|time| values.created_at >= time)
                        && choice.takes_shape(world.shape(*index))
                })
                .collect();
            assert_eq!(selection.len(), scanned.len() as u64, "{choice:?}");
            assert_eq!(selection.indices(0..selection.len()).collect::<Vec<_>>(), scanned, "{choice:?}");
        }
    }

    #[test]
    fn every_version_has_events() {
        let world = World::new(&Settings { events: 40, versions: 40, ..Settings::default() });
        for id in FIRST_VERSION..FIRST_VERSION + 40 {
            assert!(world.select(&Choice { versions: Some(vec![id]), ..Choice::default() }).len() > 0);
        }
    }
}
