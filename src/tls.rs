//! Certificates that are trusted besides the system's, where a TLS feature is on.

#[cfg(any(feature = "rustls", feature = "rustls-no-provider"))]
mod certificates {
    use reqwest::{Certificate, ClientBuilder};

    use crate::error::{Error, Result};

    pub(crate) const AVAILABLE: bool = true;

    /// Certificates in PEM or DER.
    pub(crate) struct Certificates(Vec<Certificate>);

    impl Certificates {
        pub(crate) fn parse(given: &[Vec<u8>]) -> Result<Self> {
            let wrong = |what: &str| Error::configuration("root_certificate", what);
            let mut certificates = Vec::new();
            for bytes in given {
                if bytes.windows(11).any(|window| window == b"-----BEGIN ") {
                    let bundle = Certificate::from_pem_bundle(bytes).map_err(|_| wrong("it is no certificate in PEM"))?;
                    if bundle.is_empty() {
                        return Err(wrong("there is no certificate in the PEM text"));
                    }
                    certificates.extend(bundle);
                } else {
                    certificates.push(Certificate::from_der(bytes).map_err(|_| wrong("it is no certificate in PEM or DER"))?);
                }
            }
            // DER is parsed only where it is used: a client that trusts nothing else tells whether it can be.
            let usable = || ClientBuilder::new().no_proxy().tls_certs_only(certificates.clone()).build().is_ok();
            match certificates.is_empty() || usable() {
                true => Ok(Certificates(certificates)),
                false => Err(wrong("it is no certificate in PEM or DER")),
            }
        }

        /// Adds them to the system's, or trusts nothing but them.
        pub(crate) fn apply(&self, builder: ClientBuilder, only_these: bool) -> ClientBuilder {
            match only_these {
                true => builder.tls_certs_only(self.0.clone()),
                false if self.0.is_empty() => builder,
                false => builder.tls_certs_merge(self.0.clone()),
            }
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
        pub(crate) fn parse(given: &[Vec<u8>]) -> Result<Self> {
            match given.is_empty() {
                true => Ok(Certificates),
                false => Err(Error::configuration("root_certificate", "it needs the cargo feature `rustls`")),
            }
        }

        pub(crate) fn apply(&self, builder: ClientBuilder, _: bool) -> ClientBuilder {
            builder
        }
    }
}

pub(crate) use certificates::{AVAILABLE, Certificates};
