//! Digests by algorithm: the expected digest of a file, and the computed one.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, CRC_64_NVME, Crc, Table};
use fast_md5::Md5;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

static CRC32: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);
static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);
static CRC64_NVME: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_NVME);

/// The expected digest of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExpectedDigest {
    pub(super) algorithm: Algorithm,
    /// In lower case.
    pub(super) hex: String,
}

/// An algorithm that this crate computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha512,
    Crc32,
    Crc32c,
    Crc64Nvme,
}

impl Algorithm {
    pub(super) fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha1 => "SHA-1",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512 => "SHA-512",
            Algorithm::Crc32 => "CRC-32",
            Algorithm::Crc32c => "CRC-32C",
            Algorithm::Crc64Nvme => "CRC-64/NVME",
        }
    }

    /// Length of its digest in bytes.
    pub(super) fn length(self) -> usize {
        match self {
            Algorithm::Md5 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
            Algorithm::Crc32 | Algorithm::Crc32c => 4,
            Algorithm::Crc64Nvme => 8,
        }
    }

    pub(super) fn hasher(self) -> Hasher {
        match self {
            Algorithm::Md5 => Hasher::Md5(Box::new(Md5::new())),
            Algorithm::Sha1 => Hasher::Sha1(Sha1::new()),
            Algorithm::Sha256 => Hasher::Sha256(Sha256::new()),
            Algorithm::Sha512 => Hasher::Sha512(Box::new(Sha512::new())),
            Algorithm::Crc32 => Hasher::Crc32(CRC32.digest()),
            Algorithm::Crc32c => Hasher::Crc32(CRC32C.digest()),
            Algorithm::Crc64Nvme => Hasher::Crc64(CRC64_NVME.digest()),
        }
    }
}

impl ExpectedDigest {
    /// Parses a digest in hexadecimal. Its length determines the algorithm.
    ///
    /// # Errors
    /// Returns what is wrong with the text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let hex = text.trim().to_ascii_lowercase();
        let algorithm = match hex.len() {
            32 => Algorithm::Md5,
            40 => Algorithm::Sha1,
            64 => Algorithm::Sha256,
            _ => return Err("not an MD5, SHA-1 or SHA-256 in hexadecimal (32, 40 or 64 digits)".to_owned()),
        };
        match hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(ExpectedDigest { algorithm, hex }),
            false => Err("it contains characters that are not hexadecimal digits".to_owned()),
        }
    }

    pub(super) fn hasher(&self) -> Hasher {
        self.algorithm.hasher()
    }

    /// Returns a message if the computed digest differs from this one.
    pub(super) fn problem(&self, hasher: Hasher) -> Option<String> {
        self.problem_of(&hasher.finish())
    }

    pub(super) fn problem_of(&self, value: &DigestValue) -> Option<String> {
        let hex = value.hex();
        (hex != self.hex)
            .then(|| format!("its {} is {hex}, but {} is expected", self.algorithm.name(), self.hex))
    }
}

/// A digest that is being computed.
pub(super) enum Hasher {
    Md5(Box<Md5>),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Box<Sha512>),
    Crc32(crc::Digest<'static, u32, Table<16>>),
    Crc64(crc::Digest<'static, u64, Table<16>>),
}

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Md5(md5) => md5.update(bytes),
            Hasher::Sha1(sha1) => sha1.update(bytes),
            Hasher::Sha256(sha256) => sha256.update(bytes),
            Hasher::Sha512(sha512) => sha512.update(bytes),
            Hasher::Crc32(crc) => crc.update(bytes),
            Hasher::Crc64(crc) => crc.update(bytes),
        }
    }

    /// Hashes everything that is left to read.
    pub(super) fn read(&mut self, mut reader: impl io::Read) -> io::Result<()> {
        let mut buffer = vec![0; 256 << 10];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(()),
                read => self.update(&buffer[..read]),
            }
        }
    }

    pub(super) fn finish(self) -> DigestValue {
        DigestValue(match self {
            Hasher::Md5(md5) => md5.finalize().to_vec(),
            Hasher::Sha1(sha1) => sha1.finalize().to_vec(),
            Hasher::Sha256(sha256) => sha256.finalize().to_vec(),
            Hasher::Sha512(sha512) => sha512.finalize().to_vec(),
            Hasher::Crc32(crc) => crc.finalize().to_be_bytes().to_vec(),
            Hasher::Crc64(crc) => crc.finalize().to_be_bytes().to_vec(),
        })
    }
}

/// A computed digest. The most significant byte of a CRC comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DigestValue(Vec<u8>);

impl DigestValue {
    fn hex(&self) -> String {
        base16ct::lower::encode_string(&self.0)
    }

    pub(super) fn base64(&self) -> String {
        STANDARD.encode(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_algorithm_follows_length() {
        for hex in [
            "900150983cd24fb0d6963f7d28e17f72",
            "A9993E364706816ABA3E25717850C26C9CD0D89D",
            " ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad ",
        ] {
            let checksum = ExpectedDigest::parse(hex).unwrap();
            let mut hasher = checksum.hasher();
            hasher.update(b"a");
            hasher.update(b"bc");
            assert_eq!(checksum.problem(hasher), None, "{hex}");
            let mut hasher = checksum.hasher();
            hasher.update(b"abd");
            assert!(checksum.problem(hasher).unwrap().contains("is expected"));
        }
        assert!(ExpectedDigest::parse("abc").is_err());
        assert!(ExpectedDigest::parse(&"g".repeat(32)).is_err());
    }

    /// The check values of the catalogue of CRC algorithms, and the digests given in RFC 1321 and FIPS 180.
    #[test]
    fn digests_match_known_values() {
        for (algorithm, bytes, expected) in [
            (Algorithm::Crc32, "123456789", "cbf43926"),
            (Algorithm::Crc32c, "123456789", "e3069283"),
            (Algorithm::Crc64Nvme, "123456789", "ae8b14860a799888"),
            (Algorithm::Md5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
            (Algorithm::Sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Algorithm::Sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                Algorithm::Sha512,
                "abc",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e\
                 2a9ac94fa54ca49f",
            ),
        ] {
            let mut hasher = algorithm.hasher();
            bytes.bytes().for_each(|byte| hasher.update(&[byte]));
            let value = hasher.finish();
            assert_eq!(
                (value.hex().as_str(), value.0.len()),
                (expected, algorithm.length()),
                "{algorithm:?}"
            );
        }
    }
}
