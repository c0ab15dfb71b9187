//! URL signatures: query parameters that change each time a URL is signed, but don't affect the file.
//!
//! A scheme is recognised by its complete set of parameters, spelled as the scheme spells them. A single
//! parameter named `token`, `sig` or `expires` may just as well select the file.

use std::borrow::Cow;
use std::collections::HashMap;

use percent_encoding::percent_decode_str;

use crate::values::file_url::is_data_uri;

/// A signing scheme.
#[derive(Debug, Clone, Copy)]
struct Scheme {
    /// All of these parameters must be present.
    all: &'static [&'static str],
    /// Unless empty, all of one of these sets must be present too.
    one_of: &'static [&'static [&'static str]],
    /// These may be present.
    optional: &'static [&'static str],
    /// These may be present, and choose headers of the response.
    headers: &'static [&'static str],
}

/// `response-content-encoding` is excluded: a file that is labelled as compressed is stored decompressed.
const RESPONSE_HEADERS: &[&str] = &[
    "response-content-type",
    "response-content-disposition",
    "response-content-language",
    "response-cache-control",
    "response-expires",
];

#[rustfmt::skip]
const SCHEMES: &[Scheme] = &[
    // Amazon S3, version 2.
    Scheme {
        all: &["AWSAccessKeyId", "Signature", "Expires"], one_of: &[], optional: &["x-amz-security-token"],
        headers: RESPONSE_HEADERS,
    },
    // Google Cloud Storage, version 2.
    Scheme { all: &["GoogleAccessId", "Signature", "Expires"], one_of: &[], optional: &[], headers: RESPONSE_HEADERS },
    // Alibaba OSS, version 1.
    Scheme {
        all: &["OSSAccessKeyId", "Signature", "Expires"], one_of: &[], optional: &["security-token"], headers: RESPONSE_HEADERS,
    },
    // Huawei OBS.
    Scheme {
        all: &["AccessKeyId", "Signature", "Expires"], one_of: &[], optional: &["x-obs-security-token"],
        headers: RESPONSE_HEADERS,
    },
    // Amazon CloudFront, with a canned or a custom policy.
    Scheme {
        all: &["Key-Pair-Id", "Signature"], one_of: &[&["Expires"], &["Policy"]], optional: &["Hash-Algorithm"], headers: &[],
    },
    // Tencent COS.
    Scheme {
        all: &["q-sign-algorithm", "q-ak", "q-sign-time", "q-key-time", "q-header-list", "q-url-param-list", "q-signature"],
        one_of: &[], optional: &["x-cos-security-token"], headers: RESPONSE_HEADERS,
    },
    // Azure's shared access signatures: for a service, with a stored policy, or for an account; and for a
    // user, with the parameters that begin with `sk`.
    Scheme {
        all: &["sv", "sig"], one_of: &[&["se", "sr"], &["si", "sr"], &["se", "ss", "srt"]],
        optional: &[
            "st", "sp", "spr", "sip", "ses", "sdd", "skoid", "sktid", "skt", "ske", "sks", "skv", "skdutid", "sduoid", "saoid",
            "suoid", "scid",
        ],
        headers: &["rscc", "rscd", "rscl", "rsct"],
    },
];

/// Signatures of version 4. Each store uses its own prefix (`X-Amz-`, `X-Goog-`, `X-Tos-`), which identifies
/// them: an expiry and a signature are enough.
const VERSION_4: Scheme = Scheme {
    all: &["Expires", "Signature"],
    one_of: &[],
    optional: &["Algorithm", "Credential", "Date", "SignedHeaders", "Security-Token", "S3session-Token"],
    headers: RESPONSE_HEADERS,
};

/// The same in lower case, with prefixes such as `x-oss-`.
const VERSION_4_IN_LOWER_CASE: Scheme = Scheme {
    all: &["expires", "signature"],
    one_of: &[],
    optional: &["signature-version", "credential", "date", "additional-headers", "security-token"],
    headers: RESPONSE_HEADERS,
};

/// Parameters by name: how often each occurs, and whether it has a value.
struct Parameters<'u>(HashMap<Cow<'u, str>, (usize, bool)>);

/// Returns the default identity of a URL's file.
pub(crate) fn default_key(url: &str) -> String {
    without_signature(url).into_owned()
}

/// Returns the URL without its fragment, and without its signature if a known scheme signed it. If the URL is
/// signed again, the result is the same.
pub(super) fn without_signature(url: &str) -> Cow<'_, str> {
    if is_data_uri(url) {
        return Cow::Borrowed(url);
    }
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let Some((base, query)) = url.split_once('?') else { return Cow::Borrowed(url) };
    let parameters = Parameters::of(query);
    let Some(signature) = Signature::of(&parameters) else { return Cow::Borrowed(url) };
    let kept: Vec<&str> = query.split('&').filter(|parameter| !signature.has(&split(parameter).0)).collect();
    match kept.is_empty() {
        true => Cow::Borrowed(base),
        false => Cow::Owned(format!("{base}?{}", kept.join("&"))),
    }
}

/// Splits a parameter into its name, decoded as the server decodes it, and its value.
fn split(parameter: &str) -> (Cow<'_, str>, &str) {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    (percent_decode_str(name).decode_utf8_lossy(), value)
}

impl<'u> Parameters<'u> {
    fn of(query: &'u str) -> Self {
        let mut parameters: HashMap<_, (usize, bool)> = HashMap::new();
        for (name, value) in query.split('&').map(split) {
            let parameter = parameters.entry(name).or_default();
            *parameter = (parameter.0 + 1, !value.is_empty());
        }
        Parameters(parameters)
    }

    /// Returns whether the parameter occurs exactly once, with a value.
    fn has(&self, name: &str) -> bool {
        self.0.get(name) == Some(&(1, true))
    }

    fn is_repeated(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|(times, _)| *times > 1)
    }
}

/// The scheme that signed a URL.
struct Signature<'u> {
    scheme: Scheme,
    /// The prefix of each of its names, except those for headers.
    prefix: &'u str,
}

impl<'u> Signature<'u> {
    /// `None` if no scheme is recognised, or several are: then the meaning of each parameter is unknown.
    fn of(parameters: &'u Parameters<'_>) -> Option<Self> {
        let fixed = SCHEMES.iter().map(|scheme| Signature { scheme: *scheme, prefix: "" });
        let named = parameters.0.keys().filter_map(|name| {
            let (scheme, ending) = match name.ends_with("-Signature") {
                true => (VERSION_4, "Signature"),
                false => (VERSION_4_IN_LOWER_CASE, "signature"),
            };
            name.strip_suffix(ending)
                .filter(|prefix| is_stores_prefix(prefix))
                .map(|prefix| Signature { scheme, prefix })
        });
        let mut found = fixed.chain(named).filter(|signature| signature.signs(parameters));
        found.next().filter(|_| found.next().is_none())
    }

    fn signs(&self, parameters: &Parameters<'_>) -> bool {
        let Scheme { all, one_of, headers, .. } = self.scheme;
        let has = |name: &&str| parameters.has(&self.name(name));
        all.iter().all(has)
            && (one_of.is_empty() || one_of.iter().any(|set| set.iter().all(has)))
            && !self.own_names().any(|name| parameters.is_repeated(&self.name(name)))
            && !headers.iter().any(|name| parameters.is_repeated(name))
    }

    fn name(&self, name: &str) -> String {
        [self.prefix, name].concat()
    }

    /// Returns the names without the prefix.
    fn own_names(&self) -> impl Iterator<Item = &'static str> {
        let Scheme { all, one_of, optional, .. } = self.scheme;
        all.iter().chain(one_of.iter().copied().flatten()).chain(optional).copied()
    }

    /// Returns whether a parameter is part of the signature.
    fn has(&self, name: &str) -> bool {
        let own = name.strip_prefix(self.prefix);
        self.scheme.headers.contains(&name) || own.is_some_and(|own| self.own_names().any(|name| name == own))
    }
}

/// Returns whether a text is the prefix of a store's parameters: `X-Amz-`.
fn is_stores_prefix(prefix: &str) -> bool {
    let store = prefix.strip_prefix(['X', 'x']).and_then(|rest| rest.strip_prefix('-')?.strip_suffix('-'));
    store.is_some_and(|store| !store.is_empty() && store.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}
