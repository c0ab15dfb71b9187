//! [`runtime`]: the object stores of an executor, to which it writes the files of `COPY`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ballista_core::RuntimeProducer;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use object_store::ObjectStore;
use url::Url;

/// Buckets that are kept open at most.
const MAX_STORES: usize = 64;

/// Beginnings of the names of variables that are settings of object stores.
const PREFIXES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];

/// Local files, and the buckets that the process's environment has credentials for.
#[derive(Debug, Default)]
struct EnvironmentStores {
    local: DefaultObjectStoreRegistry,
    buckets: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
}

/// Returns the settings of object stores in the environment, with the names that `object_store` has for them.
fn settings() -> Vec<(String, String)> {
    let texts = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let is_setting = |(name, _): &(String, String)| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    texts.filter(is_setting).map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

impl ObjectStoreRegistry for EnvironmentStores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.local.register_store(url, store)
    }

    fn deregister_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        self.local.deregister_store(url)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        // Other schemes that `object_store` knows, such as http, could lead anywhere.
        if !matches!(url.scheme(), "s3" | "s3a" | "gs" | "az" | "azure" | "abfs" | "abfss") {
            return self.local.get_store(url);
        }
        if url.password().is_some() {
            return exec_err!(
                "{}: the URL has a password: set it in the environment of the executors",
                url.scheme()
            );
        }
        let bucket = format!("{}://{}", url.scheme(), url.authority());
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = buckets.get(&bucket) {
            return Ok(store.clone());
        }
        let (store, _) = object_store::parse_url_opts(url, settings()).map_err(|error| {
            exec_datafusion_err!(
                "{bucket}: {error}: set AWS_…, GOOGLE_… or AZURE_… variables of the executor"
            )
        })?;
        let store: Arc<dyn ObjectStore> = store.into();
        if buckets.len() >= MAX_STORES {
            buckets.clear();
        }
        buckets.insert(bucket, store.clone());
        Ok(store)
    }
}

/// Returns the environment of queries: their temporary files are in this directory.
pub(crate) fn runtime(work_dir: PathBuf) -> RuntimeProducer {
    let stores = Arc::new(EnvironmentStores::default());
    Arc::new(move |_| {
        let builder = RuntimeEnvBuilder::new().with_temp_file_path(&work_dir);
        builder.with_object_store_registry(stores.clone()).build_arc()
    })
}
