//! Items with only an id.

use serde::Deserialize;
use synapse_backend_client::{Error, ListStream};

#[derive(Debug, Deserialize)]
pub struct Id {
    pub id: i64,
}

/// Returns the ids that a list yields, and the error that ends it, if any.
pub async fn ids_of(list: &mut ListStream<Id>) -> (Vec<i64>, Option<Error>) {
    let mut ids = Vec::new();
    loop {
        match list.next().await {
            Some(Ok(item)) => ids.push(item.id),
            Some(Err(error)) => return (ids, Some(error)),
            None => return (ids, None),
        }
    }
}
