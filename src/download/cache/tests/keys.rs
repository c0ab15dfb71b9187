//! Which URLs are the same file: those that differ only in parameters that a known scheme signs.

use proptest::prelude::*;

use super::super::signed_url::without_signature;
use super::*;

/// Signatures as stores write them, with all their possible parameters. `§` is replaced by a value.
const SIGNATURES: [&str; 14] = [
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=§&X-Amz-Date=§&X-Amz-Expires=§&X-Amz-SignedHeaders=host&X-Amz-Signature=§",
    "X-Amz-Signature=§&X-Amz-Algorithm=§&X-Amz-Credential=§&X-Amz-Date=§&X-Amz-Security-Token=§&X-Amz-Expires=§&X-Amz-SignedHeaders=host",
    "AWSAccessKeyId=§&Expires=§&Signature=§%3D&x-amz-security-token=§",
    "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=§&X-Goog-Date=§&X-Goog-Expires=§&X-Goog-SignedHeaders=host&X-Goog-Signature=§",
    "GoogleAccessId=§&Expires=§&Signature=§",
    "sv=2024-11-04&se=§&sr=b&sp=r&sig=§&st=§&spr=https&rscd=§",
    "sv=2024-11-04&ss=bfqt&srt=co&se=§&sp=rl&sig=§",
    "sv=2024-11-04&si=policy&sr=c&sig=§",
    "sp=r&st=§&se=§&skoid=§&sktid=§&skt=§&ske=§&sks=b&skv=§&spr=https&sv=2024-11-04&sr=b&sig=§",
    "Expires=§&Signature=§~&Key-Pair-Id=§",
    "Policy=§&Signature=§&Key-Pair-Id=§",
    "OSSAccessKeyId=§&Expires=§&Signature=§&security-token=§",
    "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=§&x-oss-date=§&x-oss-expires=§&x-oss-signature=§&x-oss-additional-headers=host",
    "q-sign-algorithm=sha1&q-ak=§&q-sign-time=§&q-key-time=§&q-header-list=host&q-url-param-list=§&q-signature=§",
];

fn signed(signature: &str, value: &str) -> String {
    signature.replace('§', value)
}

#[test]
fn known_signature_is_not_in_key() {
    for signature in SIGNATURES {
        let url = format!("https://h/p?{}", signed(signature, "1"));
        assert_eq!(without_signature(&url), "https://h/p", "{signature}");
        // One parameter is missing, repeated, empty, or spelled otherwise: then the scheme isn't recognised.
        let parameters: Vec<&str> = signature.split('&').collect();
        for (at, parameter) in parameters.iter().enumerate() {
            let (name, _) = parameter.split_once('=').unwrap();
            let with = |changed: Option<String>| {
                let mut all: Vec<String> =
                    parameters.iter().map(|parameter| signed(parameter, "1")).collect();
                match changed {
                    Some(changed) => all[at] = changed,
                    None => _ = all.remove(at),
                }
                format!("https://h/p?{}", all.join("&"))
            };
            let twice = format!("{}&{name}=2", signed(parameter, "1"));
            let url = with(Some(twice));
            assert_eq!(without_signature(&url), url, "{name} twice");
            let is_store_s =
                name.starts_with(['X', 'x']) && !name.ends_with("xpires") && !name.ends_with("ignature");
            let is_optional = is_store_s
                || ["security-token", "rscd", "st", "sp", "spr"].contains(&name)
                || name.starts_with("sk");
            if is_optional {
                assert_eq!(without_signature(&with(None)), "https://h/p", "{name} missing");
                continue;
            }
            let other_case: String = name
                .chars()
                .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
                .collect();
            for changed in
                [None, Some(format!("{name}=")), Some(name.to_owned()), Some(format!("{other_case}=1"))]
            {
                let url = with(changed);
                assert_eq!(without_signature(&url), url, "{name}");
            }
        }
    }
}

#[test]
fn other_parameters_stay_in_key() {
    let amazon = signed(SIGNATURES[0], "1");
    let google = signed(SIGNATURES[4], "1");
    let azure = signed(SIGNATURES[5], "1");
    for (url, key) in [
        ("https://h/p".to_owned(), "https://h/p"),
        ("https://h/p?".to_owned(), "https://h/p?"),
        ("https://h/p#part?a=b".to_owned(), "https://h/p"),
        ("https://h/p?id=5#part".to_owned(), "https://h/p?id=5"),
        (format!("https://h/p?id=5&{amazon}&versionId=2#x"), "https://h/p?id=5&versionId=2"),
        ("https://h/p?id=5&X-Amz-Expires=3600&X-Amz-Signature=0".to_owned(), "https://h/p?id=5"),
        (
            format!("https://h/p?{amazon}&partNumber=2&x-id=GetObject"),
            "https://h/p?partNumber=2&x-id=GetObject",
        ),
        (format!("https://h/p?{google}&generation=7"), "https://h/p?generation=7"),
        (format!("https://h/p?snapshot=4&{azure}&versionid=5&rsct=a"), "https://h/p?snapshot=4&versionid=5"),
        (format!("https://h/p?{amazon}&response-content-type=a&response-expires=b"), "https://h/p"),
        // A file that is labelled as compressed is stored decompressed.
        (
            format!("https://h/p?{amazon}&response-content-encoding=gzip"),
            "https://h/p?response-content-encoding=gzip",
        ),
        (
            format!("https://h/p?{amazon}&response-x=1&X-Amz-Other=2"),
            "https://h/p?response-x=1&X-Amz-Other=2",
        ),
        (format!("https://h/p?{}", amazon.replace("X-Amz-Date", "%58-Amz-%44ate")), "https://h/p"),
        (format!("https://h/p?%69d=5&{amazon}"), "https://h/p?%69d=5"),
        (format!("https://h/p?&&{amazon}&a"), "https://h/p?&&a"),
        (format!("data:text/plain,a?{amazon}#b"), &format!("data:text/plain,a?{amazon}#b")),
        ("DATA:,a#b".to_owned(), "DATA:,a#b"),
        ("€".to_owned(), "€"),
        (String::new(), ""),
    ] {
        assert_eq!(without_signature(&url), key, "{url}");
    }
    // None of these is a signature by itself, and with two signatures it isn't known which one a parameter
    // belongs to.
    for url in [
        "https://h/p?token=1",
        "https://h/p?access_token=1&expires=2",
        "https://h/p?sig=1&exp=2",
        "https://h/p?policy=1",
        "https://h/p?auth=1&auth_key=2",
        "https://h/p?Signature=1&Expires=2",
        "https://h/p?md5=a&expires=1",
        "https://h/p?__token__=exp=1~hmac=2",
        "https://h/p?X-Amz-Signature=0",
        "https://h/p?X-Amz-Signature=0&X-Amz-Date=2&X-Amz-Credential=3",
        "https://h/p?X-Amz-Signature=0&X-Goog-Expires=1",
        "https://h/p?X-Amz-Signature=0&x-amz-expires=1",
        "https://h/p?response-content-type=a",
        "https://h/p?sv=1&st=2&sp=r&sr=b",
        "https://h/p?sv=1&sig=2&se=3",
        "https://h/p?x--signature=1&x--expires=5",
        "https://h/p?file-signature=1&file-expires=5",
        &format!("https://h/p?{amazon}&{google}"),
        &format!("https://h/p?{amazon}&response-content-type=a&response-content-type=b"),
    ] {
        assert_eq!(without_signature(url), url);
    }
}

#[test]
fn amazon_like_signatures_are_stripped() {
    for store in ["Tos", "Ks3", "obs", "Minio"] {
        let url = format!(
            "https://h/p?v=1&{}",
            signed(SIGNATURES[0], "1").replace("X-Amz-", &format!("X-{store}-"))
        );
        assert_eq!(without_signature(&url), "https://h/p?v=1", "{store}");
    }
}

#[test]
fn key_depends_on_tenant_namespace_server() {
    let dir = directory();
    let plain = FileCache::open(dir.path()).unwrap();
    let named = FileCache::builder(dir.path()).namespace("a").open().unwrap();
    let by_path = FileCache::builder(dir.path()).key_by_path().open().unwrap();
    let hash = |cache: &FileCache, url: &str, tenant: &str| cache.key(url, tenant.as_bytes()).hash;
    let url = "https://h/p?id=1";
    let all = [
        hash(&plain, url, ""),
        hash(&plain, url, "t"),
        hash(&plain, url, "a"),
        hash(&named, url, ""),
        hash(&named, url, "t"),
        hash(&plain, "https://h/p?id=2", ""),
        hash(&plain, "https://h:8080/p?id=1", ""),
        hash(&plain, "http://h/p?id=1", ""),
        hash(&plain, "https://g/p?id=1", ""),
        hash(&plain, "https://h/p", ""),
        hash(&by_path, "https://g/p", ""),
        hash(&by_path, "https://h/p", "t"),
    ];
    assert_eq!(std::collections::HashSet::<_>::from(all).len(), all.len());
    // `key_by_path` maps a URL to the same file as the URL without its query.
    assert_eq!(hash(&by_path, "https://h/p?token=1&id=2#x", ""), hash(&plain, "https://h/p", ""));
    assert_ne!(hash(&by_path, "data:,a?b", ""), hash(&by_path, "data:,a?c", ""));
}

/// Parameters that select a file.
fn parameter() -> impl Strategy<Value = String> {
    "(id|page|v|name|size|token|expires|policy|signature|versionId|X-Amz-Other)=[a-z0-9%/€=]{0,6}"
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_signature_leaves_key_unchanged(
        kept in prop::collection::vec(parameter(), 0..5),
        signature in prop::sample::select(&SIGNATURES[..]),
        values in prop::array::uniform2("[A-Za-z0-9%/+]{1,8}"),
        at in prop::collection::vec(any::<prop::sample::Index>(), 20),
        changed in any::<prop::sample::Index>(),
        fragment in "(#[a-z?&=]{0,5})?",
    ) {
        // Parameters of the signature itself are removed from the others.
        let is_part = |parameter: &String| signature.split('&').any(|own| own.split('=').next() == parameter.split('=').next());
        let kept: Vec<String> = kept.into_iter().filter(|parameter| !is_part(parameter)).collect();
        let url = |kept: &[String], value: &str| {
            let mut parameters = kept.to_vec();
            for (parameter, at) in signature.split('&').zip(&at) {
                parameters.insert(at.index(parameters.len() + 1), signed(parameter, value));
            }
            format!("https://h/p?{}{fragment}", parameters.join("&"))
        };
        let key = without_signature(&url(&kept, &values[0])).into_owned();
        let plain = if kept.is_empty() { "https://h/p".to_owned() } else { format!("https://h/p?{}", kept.join("&")) };
        prop_assert_eq!(&key, &plain);
        prop_assert_eq!(without_signature(&url(&kept, &values[1])).into_owned(), plain.clone());
        if !kept.is_empty() {
            let mut other = kept.clone();
            other[changed.index(kept.len())].push('0');
            prop_assert_ne!(without_signature(&url(&other, &values[0])).into_owned(), plain.clone());
            other.remove(changed.index(kept.len()));
            prop_assert_ne!(without_signature(&url(&other, &values[0])).into_owned(), plain);
        }
    }

    #[test]
    fn any_url_has_stable_key_and_file_name(url in "\\PC*", tail in "[a-z?&=#.%/:]*") {
        let url = url + &tail;
        let text = without_signature(&url).into_owned();
        prop_assert_eq!(without_signature(&text), text.clone());
        let key = super::super::key::KeyBy::Url.key(&url, b"", "");
        let path = key.hash.path(Path::new("/c"), &key.extension);
        let name = path.file_name().unwrap().to_str().unwrap();
        prop_assert!(name.is_ascii() && name.len() <= 32 + 21);
        prop_assert_eq!(KeyHash::of_name(name), Some((key.hash, &*key.extension)));
    }
}
