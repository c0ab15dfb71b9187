//! The state that all requests share.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use crate::data::World;
use crate::faults::Faults;
use crate::in_flight::InFlight;
use crate::links::Signer;
use crate::log::Log;
use crate::models::Models;
use crate::settings::Settings;
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
    pub(crate) uploads: Uploads,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    pub(crate) in_flight: InFlight,
}

impl App {
    pub(crate) fn new(settings: Settings, origin: String, upload_dir: PathBuf) -> Self {
        let world = World::new(&settings);
        Self(Arc::new(Shared {
            origin,
            signer: Signer::new(&settings),
            models: Models::new(&settings, &world),
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
