//! Functions that another file calls.

pub(crate) async fn upload(client: &BackendClient) {
    Engine::new(client).run().await;
}

struct Engine<'a> {
    client: &'a BackendClient,
}

impl<'a> Engine<'a> {
    fn new(client: &'a BackendClient) -> Self {
        Engine { client }
    }

    async fn run(&self) {
        self.begin();
    }

    fn begin(&self) {
        self.client.call(|raw| raw.start_upload());
    }
}
