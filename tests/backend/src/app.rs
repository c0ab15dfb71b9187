//! The state that all requests share.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use crate::annotation::Annotation;
use crate::data::World;
use crate::data::seed::Seed;
use crate::data_collection::Data;
use crate::faults::Faults;
use crate::hitl::Hitl;
use crate::in_flight::InFlight;
use crate::integration::Integration;
use crate::links::Signer;
use crate::log::Log;
use crate::models::Models;
use crate::payloads::Payloads;
use crate::settings::Settings;
use crate::storages::Storages;
use crate::uploads::Uploads;

#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    /// `http://address:port` of the listening socket.
    pub(crate) origin: String,
    pub(crate) world: World,
    pub(crate) signer: Signer,
    pub(crate) models: Models,
    pub(crate) seed: Seed,
    pub(crate) annotation: Annotation,
    pub(crate) hitl: Hitl,
    pub(crate) data: Data,
    pub(crate) integration: Integration,
    pub(crate) storages: Storages,
    pub(crate) payloads: Payloads,
    pub(crate) uploads: Uploads,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    pub(crate) in_flight: InFlight,
}

impl App {
    pub(crate) fn new(settings: Settings, origin: String, upload_dir: PathBuf) -> Self {
        let world = World::new(&settings);
        let seed = Seed::new(&settings);
        Self(Arc::new(Shared {
            origin,
            signer: Signer::new(&settings),
            models: Models::new(&settings, &world),
            annotation: Annotation::new(&seed),
            hitl: Hitl::new(&seed),
            data: Data::new(&seed),
            integration: Integration::new(&seed, &settings),
            storages: Storages::new(&seed, &settings),
            payloads: Payloads::new(&settings),
            seed,
            uploads: Uploads::new(upload_dir, settings.upload_expiry),
            log: Log::new(settings.record_requests, settings.record_bodies),
            faults: Faults::default(),
            in_flight: InFlight::default(),
            world,
            settings,
        }))
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
