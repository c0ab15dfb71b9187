//! `data:` URIs, which contain the file itself (RFC 2397).

use data_url::DataUrl;

use crate::error::{Error, Result};

/// Returns the file's bytes, if there are at most `most`.
///
/// # Errors
/// Returns an error if it is malformed or too large. The error doesn't contain the URI's text, which is a
/// file's content.
pub(super) fn decode(uri: &str, most: u64) -> Result<Vec<u8>> {
    let wrong = |what: String| Error::invalid_input(format!("download: `url`: the `data:` URI {what}"));
    // Base64 needs four characters for three bytes, percent-encoding nine.
    if uri.len() as u64 / 4 * 3 > most.saturating_mul(4).saturating_add(1024) {
        return Err(too_large(most));
    }
    let parsed = DataUrl::process(uri).map_err(|_| wrong("has no comma before its data".to_owned()))?;
    let mut bytes = Vec::new();
    let decoded = parsed.decode::<_, Error>(|chunk| {
        if bytes.len() as u64 + chunk.len() as u64 > most {
            return Err(too_large(most));
        }
        bytes.extend_from_slice(chunk);
        Ok(())
    });
    match decoded {
        Ok(_) => Ok(bytes),
        Err(data_url::forgiving_base64::DecodeError::WriteError(error)) => Err(error),
        Err(data_url::forgiving_base64::DecodeError::InvalidBase64(_)) => {
            Err(wrong("is not valid base64".to_owned()))
        }
    }
}

fn too_large(most: u64) -> Error {
    Error::invalid_input(format!(
        "download: `url`: the `data:` URI contains more than {most} bytes, the limit `max_data_uri_size`: raise the limit"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_uri_is_decoded() {
        assert_eq!(decode("data:image/png;base64,AAEC/w==", 4).unwrap(), [0, 1, 2, 255]);
        assert_eq!(decode("DATA:,a%20b", 4).unwrap(), b"a b");
        assert_eq!(decode("data:;base64,", 0).unwrap(), b"");
    }

    #[test]
    fn bad_data_uri_error_hides_content() {
        for (uri, most, part) in [
            ("data:image/png;base64", 9, "comma"),
            ("data:;base64,A", 9, "base64"),
            ("data:;base64,AAEC/w==", 3, "max_data_uri_size"),
            ("data:,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 3, "max_data_uri_size"),
        ] {
            let error = decode(uri, most).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("AAEC"), "{error}");
        }
        assert!(decode(&format!("data:,{}", "a".repeat(10_000)), 10).is_err());
    }
}
