//! JSON that is written once with gaps. Rendering copies the text and fills the gaps, so a page costs a few
//! memcpys.

use std::fmt::Write as _;

use crate::data::files::FileKind;
use crate::time::Timestamp;

/// The kind of value that fills a gap.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Gap {
    Id,
    EventKey,
    GroundTruthId,
    Unit,
    Version,
    Project,
    Dataset,
    CreatedAt,
    Origin,
    Signature,
    Size(FileKind),
}

/// The values of one item.
pub(crate) struct Values<'a> {
    pub(crate) seed: u64,
    pub(crate) id: i64,
    /// The event's own key, for releases where `id` is its ground truth's.
    pub(crate) key: i64,
    pub(crate) ground_truth_id: i64,
    pub(crate) unit: i64,
    pub(crate) version: i64,
    pub(crate) project: i64,
    pub(crate) dataset: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) origin: &'a str,
    pub(crate) signature: &'a str,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Template {
    text: String,
    /// The gaps: each with its offset in `text`, in order.
    gaps: Vec<(usize, Gap)>,
}

impl Template {
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    pub(crate) fn gap(mut self, gap: Gap) -> Self {
        self.gaps.push((self.text.len(), gap));
        self
    }

    pub(crate) fn append(mut self, other: &Self) -> Self {
        let start = self.text.len();
        self.text.push_str(&other.text);
        self.gaps.extend(other.gaps.iter().map(|(at, gap)| (start + at, *gap)));
        self
    }

    /// The URL of a file of the item's data unit.
    pub(crate) fn url(mut self, kind: FileKind) -> Self {
        self = self.gap(Gap::Origin).text("/media/data_units/").gap(Gap::Unit);
        // Can't fail: writing to a String never does.
        let _ = write!(self.text, "/{}", kind.file_name());
        self.gap(Gap::Signature)
    }

    pub(crate) fn render(&self, values: &Values<'_>, out: &mut Vec<u8>) {
        let mut number = itoa::Buffer::new();
        let text = self.text.as_bytes();
        let mut from = 0;
        for (at, gap) in &self.gaps {
            out.extend_from_slice(&text[from..*at]);
            from = *at;
            let value = match gap {
                Gap::Id => values.id,
                Gap::EventKey => values.key,
                Gap::GroundTruthId => values.ground_truth_id,
                Gap::Unit => values.unit,
                Gap::Version => values.version,
                Gap::Project => values.project,
                Gap::Dataset => values.dataset,
                Gap::Size(kind) => kind.size(values.seed, values.unit),
                Gap::CreatedAt => {
                    values.created_at.write(out);
                    continue;
                }
                Gap::Origin => {
                    out.extend_from_slice(values.origin.as_bytes());
                    continue;
                }
                Gap::Signature => {
                    out.extend_from_slice(values.signature.as_bytes());
                    continue;
                }
            };
            out.extend_from_slice(number.format(value).as_bytes());
        }
        out.extend_from_slice(&text[from..]);
    }
}
