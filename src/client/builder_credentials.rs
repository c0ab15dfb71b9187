//! The builder's setters for credentials.

use std::sync::Arc;

use super::builder::BackendClientBuilder;
use crate::transport::credentials::CredentialsProvider;

impl BackendClientBuilder {
    /// Sets the access token, sent as `Synapse-Access-Token`. White space around it is removed.
    #[doc(alias("auth", "authentication", "token"))]
    pub fn access_token(mut self, token: impl Into<String>) -> Self {
        self.credentials = self.credentials.access_token(token);
        self
    }

    /// Sets the login token of older deployments, sent as `Authorization`.
    pub fn legacy_token(mut self, token: impl Into<String>) -> Self {
        self.credentials = self.credentials.legacy_token(token);
        self
    }

    /// Sets the agent's token, sent as `SYNAPSE-Agent`.
    pub fn agent_token(mut self, token: impl Into<String>) -> Self {
        self.credentials = self.credentials.agent_token(token);
        self
    }

    /// Sets the tenant's code, sent as `Synapse-Tenant`.
    pub fn tenant(mut self, code: impl Into<String>) -> Self {
        self.credentials = self.credentials.tenant(code);
        self
    }

    /// Sets a provider that returns the credentials, for tokens that rotate. It replaces the tokens that are
    /// set individually.
    #[doc(alias("auth", "authentication", "token"))]
    pub fn credentials_provider(mut self, provider: impl CredentialsProvider) -> Self {
        self.provider = Some(Arc::new(provider));
        self
    }
}
