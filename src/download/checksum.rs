//! The digest that a file should have, and the one that it comes to.

use std::io;

use fast_md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The digest that a file should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checksum {
    algorithm: Algorithm,
    /// In lower case.
    hex: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha1,
    Sha256,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha1 => "SHA-1",
            Algorithm::Sha256 => "SHA-256",
        }
    }
}

impl Checksum {
    /// A digest in hexadecimal: which one it is, its length tells.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let hex = text.trim().to_ascii_lowercase();
        let algorithm = match hex.len() {
            32 => Algorithm::Md5,
            40 => Algorithm::Sha1,
            64 => Algorithm::Sha256,
            _ => return Err("it is no MD5, SHA-1 or SHA-256 in hexadecimal (32, 40 or 64 digits)".to_owned()),
        };
        match hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Checksum { algorithm, hex }),
            false => Err("it holds what is no hexadecimal digit".to_owned()),
        }
    }

    pub(super) fn hex(&self) -> &str {
        &self.hex
    }

    pub(super) fn hasher(&self) -> Hasher {
        match self.algorithm {
            Algorithm::Md5 => Hasher::Md5(Box::new(Md5::new())),
            Algorithm::Sha1 => Hasher::Sha1(Sha1::new()),
            Algorithm::Sha256 => Hasher::Sha256(Sha256::new()),
        }
    }

    /// What is wrong with bytes of this digest, if anything.
    pub(super) fn problem(&self, hasher: Hasher) -> Option<String> {
        let hex = hasher.finish();
        (hex != self.hex).then(|| format!("its {} is {hex}, and {} is expected", self.algorithm.name(), self.hex))
    }
}

/// A digest under way.
pub(super) enum Hasher {
    Md5(Box<Md5>),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Md5(md5) => md5.update(bytes),
            Hasher::Sha1(sha1) => sha1.update(bytes),
            Hasher::Sha256(sha256) => sha256.update(bytes),
        }
    }

    /// Takes in all that is left to read.
    pub(super) fn read(&mut self, mut reader: impl io::Read) -> io::Result<()> {
        let mut buffer = vec![0; 256 << 10];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(()),
                read => self.update(&buffer[..read]),
            }
        }
    }

    fn finish(self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Hasher::Md5(md5) => hex(&md5.finalize()),
            Hasher::Sha1(sha1) => hex(&sha1.finalize()),
            Hasher::Sha256(sha256) => hex(&sha256.finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_digest_is_told_by_its_length() {
        for hex in [
            "900150983cd24fb0d6963f7d28e17f72",
            "A9993E364706816ABA3E25717850C26C9CD0D89D",
            " ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad ",
        ] {
            let checksum = Checksum::parse(hex).unwrap();
            let mut hasher = checksum.hasher();
            hasher.update(b"a");
            hasher.update(b"bc");
            assert_eq!(checksum.problem(hasher), None, "{hex}");
            let mut hasher = checksum.hasher();
            hasher.update(b"abd");
            assert!(checksum.problem(hasher).unwrap().contains("is expected"));
        }
        assert!(Checksum::parse("abc").is_err());
        assert!(Checksum::parse(&"g".repeat(32)).is_err());
    }
}
