//! A handwritten layer for tests. It is parsed, never compiled.

mod uploads;

pub struct BackendClient;

pub struct CreateModel;

macro_rules! listing {
    ($client:expr => $how:ty) => {
        $client.call(|raw| raw.list_tags())
    };
}

impl BackendClient {
    pub fn create_model(&self) -> CreateModel {
        CreateModel
    }

    pub fn list_tags(&self) -> Call {
        listing!(self => Call)
    }

    pub fn get_tag(&self, id: i64) -> Call {
        self.call(|raw: &raw::Client| raw.get_tag(id))
    }

    pub fn describe_model(&self) -> String {
        format!("{}", self.call(|raw| raw.describe_model()))
    }

    /// `|raw| raw.only_in_words()`
    pub fn call(&self, make: impl FnOnce(&raw::Client) -> Call) -> Call {
        make(&self.raw)
    }

    fn hidden(&self) {
        self.call(|raw| raw.only_hidden());
    }
}

impl CreateModel {
    pub async fn send(self) {
        uploads::upload(&self.client).await;
        self.client.call(|raw| raw.create_model());
    }
}

#[cfg(test)]
mod tests {
    fn only_a_test() {
        client.call(|raw| raw.only_in_tests());
    }
}
