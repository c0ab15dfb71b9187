//! Items of which only the id matters.

use serde::Deserialize;
use synapse_backend_client::{Error, ListAll};

#[derive(Debug, Deserialize)]
pub struct Id {
    pub id: i64,
}

/// What a list gives, up to its error.
pub async fn ids_of(list: &mut ListAll<Id>) -> (Vec<i64>, Option<Error>) {
    let mut ids = Vec::new();
    loop {
        match list.next().await {
            Some(Ok(item)) => ids.push(item.id),
            Some(Err(error)) => return (ids, Some(error)),
            None => return (ids, None),
        }
    }
}
