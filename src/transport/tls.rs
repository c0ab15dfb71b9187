//! TLS: the trusted certificates. The system's certificates are read once in a process, when they are first
//! needed.

#[cfg(any(feature = "rustls", feature = "rustls-no-provider"))]
mod certificates {
    use std::sync::{Arc, OnceLock};

    use reqwest::{Certificate, ClientBuilder};
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme};
    use rustls_platform_verifier::Verifier;

    use crate::error::{Error, Result};

    pub(crate) const AVAILABLE: bool = true;

    /// The certificates that a client trusts: the system's and the user's.
    pub(crate) struct Certificates {
        trust: Arc<Trust>,
        config: ClientConfig,
    }

    impl Certificates {
        /// Makes a trust store from the system's certificates and these, in PEM or DER.
        pub(crate) fn new(given: &[Vec<u8>]) -> Result<Self> {
            let trust =
                Arc::new(Trust { own: parse(given)?, provider: provider()?, verifier: OnceLock::new() });
            let config = ClientConfig::builder_with_provider(trust.provider.clone())
                .with_safe_default_protocol_versions();
            let config = config.map_err(|error| unusable(&error))?.dangerous();
            let mut config = config.with_custom_certificate_verifier(trust.clone()).with_no_client_auth();
            let protocols: &[&[u8]] =
                if cfg!(feature = "http2") { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Ok(Certificates { trust, config })
        }

        /// Reads the system's certificates now.
        ///
        /// # Errors
        /// Returns an error if there is no certificate at all.
        pub(crate) fn load(&self) -> Result<()> {
            self.trust.verifier().map(drop).map_err(|error| unusable(&error))
        }

        /// Returns a builder of an HTTP client that trusts these certificates.
        pub(crate) fn builder(&self) -> ClientBuilder {
            ClientBuilder::new().tls_backend_preconfigured(self.config.clone())
        }

        /// Adds the user's certificates to those that the user's builder trusts; with `only_these`, replaces
        /// them.
        pub(crate) fn add_to(&self, builder: ClientBuilder, only_these: bool) -> ClientBuilder {
            let own: Vec<_> =
                self.trust.own.iter().filter_map(|own| Certificate::from_der(own).ok()).collect();
            match only_these {
                true => builder.tls_certs_only(own),
                false if own.is_empty() => builder,
                false => builder.tls_certs_merge(own),
            }
        }
    }

    fn parse(given: &[Vec<u8>]) -> Result<Vec<CertificateDer<'static>>> {
        let wrong = |what: &str| Error::configuration("root_certificate", what);
        let mut certificates = Vec::new();
        for bytes in given {
            if bytes.windows(11).any(|window| window == b"-----BEGIN ") {
                let bundle: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
                let bundle = bundle.map_err(|_| wrong("it is not a valid PEM certificate"))?;
                if bundle.is_empty() {
                    return Err(wrong("there is no certificate in the PEM text"));
                }
                certificates.extend(bundle);
            } else {
                certificates.push(CertificateDer::from(bytes.clone()));
            }
        }
        let mut store = RootCertStore::empty();
        match certificates.iter().all(|certificate| store.add(certificate.clone()).is_ok()) {
            true => Ok(certificates),
            false => Err(wrong("it is not a valid PEM or DER certificate")),
        }
    }

    /// Returns the cryptography provider that the program installed, or the one of the feature `rustls`.
    fn provider() -> Result<Arc<CryptoProvider>> {
        if let Some(provider) = CryptoProvider::get_default() {
            return Ok(provider.clone());
        }
        #[cfg(feature = "rustls")]
        return Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        #[cfg(not(feature = "rustls"))]
        Err(Error::configuration(
            "http",
            "no cryptography provider for rustls is installed: install one first",
        ))
    }

    fn unusable(error: &TlsError) -> Error {
        Error::configuration("http", format!("the HTTP client can't be built: {error}"))
    }

    /// Verifies server certificates with the system's verifier, which is created at the first verification.
    #[derive(Debug)]
    struct Trust {
        /// Certificates that are trusted in addition to the system's.
        own: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
        verifier: OnceLock<std::result::Result<Arc<Verifier>, TlsError>>,
    }

    /// The verifier of clients without additional certificates.
    static SYSTEM: OnceLock<std::result::Result<Arc<Verifier>, TlsError>> = OnceLock::new();

    impl Trust {
        fn verifier(&self) -> std::result::Result<Arc<Verifier>, TlsError> {
            let made = match self.own.is_empty() {
                true => SYSTEM.get_or_init(|| Verifier::new(self.provider.clone()).map(Arc::new)),
                false => self.verifier.get_or_init(|| with_own(&self.own, &self.provider).map(Arc::new)),
            };
            made.clone()
        }
    }

    #[cfg(not(target_os = "android"))]
    fn with_own(
        own: &[CertificateDer<'static>],
        provider: &Arc<CryptoProvider>,
    ) -> std::result::Result<Verifier, TlsError> {
        Verifier::new_with_extra_roots(own.iter().cloned(), provider.clone())
    }

    #[cfg(target_os = "android")]
    fn with_own(
        _: &[CertificateDer<'static>],
        _: &Arc<CryptoProvider>,
    ) -> std::result::Result<Verifier, TlsError> {
        Err(TlsError::General("Android doesn't support a program's own certificates".to_owned()))
    }

    impl ServerCertVerifier for Trust {
        fn verify_server_cert(
            &self,
            end_entity: &CertificateDer<'_>,
            intermediates: &[CertificateDer<'_>],
            server_name: &ServerName<'_>,
            ocsp_response: &[u8],
            now: UnixTime,
        ) -> std::result::Result<ServerCertVerified, TlsError> {
            self.verifier()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
            verify_tls12_signature(
                message,
                certificate,
                signature,
                &self.provider.signature_verification_algorithms,
            )
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
            verify_tls13_signature(
                message,
                certificate,
                signature,
                &self.provider.signature_verification_algorithms,
            )
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.provider.signature_verification_algorithms.supported_schemes()
        }
    }
}

#[cfg(not(any(feature = "rustls", feature = "rustls-no-provider")))]
mod certificates {
    use reqwest::ClientBuilder;

    use crate::error::{Error, Result};

    pub(crate) const AVAILABLE: bool = false;

    pub(crate) struct Certificates;

    impl Certificates {
        pub(crate) fn new(given: &[Vec<u8>]) -> Result<Self> {
            match given.is_empty() {
                true => Ok(Certificates),
                false => Err(Error::configuration("root_certificate", "it needs the cargo feature `rustls`")),
            }
        }

        pub(crate) fn load(&self) -> Result<()> {
            Ok(())
        }

        pub(crate) fn builder(&self) -> ClientBuilder {
            ClientBuilder::new()
        }

        pub(crate) fn add_to(&self, builder: ClientBuilder, _: bool) -> ClientBuilder {
            builder
        }
    }
}

pub(crate) use certificates::{AVAILABLE, Certificates};
